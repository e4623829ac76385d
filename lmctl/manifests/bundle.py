"""A bundle: everything a directory of manifests declares, read at one instant; immutable.

Every problem of the whole directory is found in one reading. A reading with an error has a
bundle too, of what could be read, for tools that look; nothing may act on it (`Reading.fatal`).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain as joined
from types import MappingProxyType
from typing import Any, TypeVar

from lmctl.base import diagnostics, digests
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.manifests import check, pins, server
from lmctl.manifests.chain import ResolvedModel, resolve
from lmctl.manifests.envelope import plain
from lmctl.manifests.instance import Instance
from lmctl.manifests.lock import LockReading, is_lock, read_lock
from lmctl.manifests.mcp import McpServer
from lmctl.manifests.model import Model
from lmctl.manifests.pins import Locked, Pin, pins_of
from lmctl.manifests.preset import Preset
from lmctl.manifests.reading import Declared, FileReading, counts, read_file
from lmctl.manifests.route import Route
from lmctl.manifests.runtime import Runtime
from lmctl.manifests.server import Server

_WORDS = {"Model": "model", "Preset": "preset", "McpServer": "tool server"}
Kind = TypeVar("Kind", Model, Instance, Server, Runtime, Route, Preset, McpServer)


@dataclass(frozen=True, slots=True)
class Bundle:
    """All objects of one reading by name, and the digest of what they say.

    The digest is of the normalised objects: it does not change with file names, order, comments
    or formatting. `server` has the defaults if none is declared; `runtimes` are the declared ones,
    without those that are bundled. `locked` is what lmctl.lock says, by model and key of its entry.
    """

    models: Mapping[str, Model] = field(default_factory=dict)
    instances: Mapping[str, Instance] = field(default_factory=dict)
    server: Server = server.DEFAULT
    runtimes: Mapping[str, Runtime] = field(default_factory=dict)
    routes: Mapping[str, Route] = field(default_factory=dict)
    presets: Mapping[str, Preset] = field(default_factory=dict)
    mcp_servers: Mapping[str, McpServer] = field(default_factory=dict)
    locked: Mapping[tuple[str, str], Locked] = field(default_factory=dict)
    digest: str = ""
    origins: Mapping[tuple[str, str], Declared] = field(
        default_factory=dict, repr=False, compare=False
    )

    @property
    def empty(self) -> bool:
        """Say whether nothing at all is declared."""
        return not self.origins

    def place(self, kind: str, name: str, *path: str | int) -> Place:
        """Return where a part of an object stands, or its nearest parent that stands in a file.

        Raises KeyError for an object this bundle does not declare (such as a default Server).
        """
        return self.origins[kind, name].place(path)

    def resolve_base(self, model: Model | str) -> ResolvedModel:
        """Return the weights a model comes down to, and its settings with its parents' below.

        Raises KeyError for the name of a model this bundle does not declare.
        """
        return resolve(self.models[model] if isinstance(model, str) else model, self.models)

    def pins(self, model: str) -> tuple[Pin, ...]:
        """Return what each source of a model that names weights is locked to.

        Raises KeyError for a model this bundle does not declare.
        """
        return pins_of(self.origins["Model", model], self.locked)


@dataclass(frozen=True, slots=True)
class Reading:
    """A bundle, and everything wrong with the files it came from, sorted by place."""

    bundle: Bundle
    diagnostics: tuple[Diagnostic, ...]

    @property
    def fatal(self) -> bool:
        """Say whether any problem is an error, so that the bundle must not be acted on."""
        return any(each.fatal for each in self.diagnostics)


def read(files: Mapping[str, bytes], *, root: str = "") -> Reading:
    """Return what these files declare together. Never raises for anything in a file.

    Keys are paths with `/`; relative ones lie in the folder `root`, which also is what relative
    `file` sources are joined to. Files that are no manifests by their name are passed over.
    """
    manifests, locks = _read_files(files, root)
    told = {file: each.lock for file, each in locks.items() if each.lock is not None}
    origins, repeated = _by_identity(joined.from_iterable(each.declared for each in manifests))
    locked, locked_twice = pins.index(told, files)
    bundle = _bundle(origins, locked, [each.digest for each in locks.values()])
    refused = frozenset(joined.from_iterable(each.refused for each in manifests))
    found = [*repeated, *locked_twice, *check.check(origins, bundle.models, refused=refused)]
    found += joined.from_iterable(each.diagnostics for each in manifests)
    found += joined.from_iterable(each.diagnostics for each in locks.values())
    if told:
        declared = [origins["Model", each] for each in bundle.models]
        found += pins.lag(declared, locked, {name for kind, name in refused if kind == "Model"})
    return Reading(bundle, tuple(sorted(found, key=_order)))


def _read_files(
    files: Mapping[str, bytes], root: str
) -> tuple[list[FileReading], dict[str, LockReading]]:
    prefix = root.rstrip("/") + "/" if root else ""
    manifests: list[FileReading] = []
    locks: dict[str, LockReading] = {}
    for file in sorted(files):
        below = file.removeprefix(prefix) if prefix else file
        if not counts(below.rpartition("/")[2] if below.startswith("/") else below):
            continue
        if is_lock(file):
            locks[file] = read_lock(file, files[file])
        else:
            manifests.append(read_file(file, root, files[file]))
    return manifests, locks


def _by_identity(
    declared: Iterable[Declared],
) -> tuple[Mapping[tuple[str, str], Declared], list[Diagnostic]]:
    """Return the first object of every identity, and an error for each further one."""
    origins: dict[tuple[str, str], Declared] = {}
    repeated = []
    for each in declared:
        first = origins.setdefault((each.kind, each.name), each)
        if first is not each:
            kind = _WORDS.get(each.kind, each.kind)
            message = f"{kind} `{each.name}` is declared twice, first at {first.place()}"
            hint = "give one of them another name or delete it"
            repeated.append(diagnostics.error(each.place(), message, hint))
    return MappingProxyType(origins), repeated


def _bundle(
    origins: Mapping[tuple[str, str], Declared],
    locked: Mapping[tuple[str, str], Locked],
    locks: Iterable[str],
) -> Bundle:
    servers = _of(origins, Server)
    parts: dict[str, Mapping[str, Any]] = {
        "models": _of(origins, Model),
        "instances": _of(origins, Instance),
        "runtimes": _of(origins, Runtime),
        "routes": _of(origins, Route),
        "presets": _of(origins, Preset),
        "mcp_servers": _of(origins, McpServer),
    }
    only = next(iter(servers.values()), server.DEFAULT)
    said = {part: {name: plain(each) for name, each in of.items()} for part, of in parts.items()}
    pinned = {"locks": sorted(locks)} if locked else {}
    digest = digests.digest({**said, **pinned, "server": plain(only.spec)})
    return Bundle(
        **parts,
        server=only,
        locked=MappingProxyType(dict(locked)),
        digest=digest,
        origins=origins,
    )


def _of(origins: Mapping[tuple[str, str], Declared], kind: type[Kind]) -> Mapping[str, Kind]:
    found = {each.name: each.value for each in origins.values() if isinstance(each.value, kind)}
    return MappingProxyType(dict(sorted(found.items())))


def _order(each: Diagnostic) -> tuple[Place, str, str]:
    return each.place, each.severity, each.message
