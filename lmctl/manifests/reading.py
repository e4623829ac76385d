"""One file -> the objects it declares and everything wrong with it. Cached by content."""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.manifests import lock, suggest
from lmctl.manifests.envelope import API_VERSION, Envelope
from lmctl.manifests.instance import Instance
from lmctl.manifests.literal_secrets import literal_secrets
from lmctl.manifests.mcp import McpFile, McpServer
from lmctl.manifests.model import Model
from lmctl.manifests.preset import Preset
from lmctl.manifests.problems import from_validation, overlooked
from lmctl.manifests.route import Route
from lmctl.manifests.rules import show
from lmctl.manifests.runtime import Runtime
from lmctl.manifests.secret_words import hide_known
from lmctl.manifests.server import Server
from lmctl.manifests.yaml_build import Path
from lmctl.manifests.yaml_source import Document, parse

ENVELOPES: Final[Mapping[str, type[Envelope]]] = {
    "Server": Server,
    "Instance": Instance,
    "Runtime": Runtime,
    "Route": Route,
}
_EXPECTED: Final = (
    f"start with `apiVersion: {API_VERSION}` and `kind: Instance` (or Server, Runtime, Route); LM Studio's own files are "
    "known by name: model.yaml, *.model.yaml, *.preset.json, mcp.json"
)
_CACHED_FILES: Final = 32_768

Value = Model | Instance | Server | Runtime | Route | Preset | McpServer


@dataclass(frozen=True, slots=True)
class Declared:
    """One object, and where it stands: at `start` of a document, the
    first `hidden` parts of its paths being what the file leaves out.
    """

    kind: str
    name: str
    value: Value
    document: Document
    start: Path = ()
    hidden: int = 0

    def place(self, path: Path = ()) -> Place:
        """Return the place of a part of the object, or of its nearest parent in the file."""
        return self.document.place((*self.start, *path))

    def paths(self, below: Path) -> Iterator[Path]:
        """Yield every path the file gives below one, as the object's own paths."""
        start = len(self.start)
        for path in self.document.places:
            own = path[start:]
            if path[:start] == self.start and len(own) > len(below) and own[: len(below)] == below:
                yield own

    def given(self, path: Path) -> bool:
        """Say whether the file itself gives this part, rather than leaving it to its default."""
        return (*self.start, *path) in self.document.places


@dataclass(frozen=True, slots=True)
class FileReading:
    """What one file declares; `refused` are kind and name of what it gets wrong."""

    declared: tuple[Declared, ...]
    diagnostics: tuple[Diagnostic, ...]
    refused: tuple[tuple[str, str], ...] = ()


def counts(path: str) -> bool:
    """Say whether a path below a root may be a manifest or a lock: its name fits and nothing is hidden."""
    parts = path.split("/")
    if any(part.startswith(".") and part not in (".", "..") for part in parts):
        return False
    name = parts[-1]
    return name.endswith((".yaml", ".yml", ".preset.json")) or name in ("mcp.json", lock.NAME)


@lru_cache(maxsize=_CACHED_FILES)
def read_file(file: str, root: str, content: bytes) -> FileReading:
    """Return what a file declares. `root` is the folder a relative `file` lies in."""
    parsed = parse(file, content)
    reader = _Reader(file, posixpath.dirname(posixpath.join(root, file)))
    for document in parsed.documents:
        reader.read(document)
    found = (*parsed.diagnostics, *reader.secrets)
    told = {each.place for each in found}  # what cannot be read or kept is not checked again
    found = (*found, *(each for each in reader.diagnostics if each.place not in told))
    if not parsed.documents and not found:
        found = (
            diagnostics.error(
                Place(file), "the file declares nothing", "write a manifest into it or delete it"
            ),
        )
    found = tuple(replace(each, message=hide_known(each.message)) for each in found)
    return FileReading(tuple(reader.declared), found, tuple(reader.refused))


class _Reader:
    """Collects what the documents of one file declare."""

    def __init__(self, file: str, folder: str) -> None:
        self.name = posixpath.basename(file)
        self.folder = folder
        self.declared: list[Declared] = []
        self.diagnostics: list[Diagnostic] = []
        self.secrets: list[Diagnostic] = []
        self.refused: list[tuple[str, str]] = []

    def read(self, document: Document) -> None:
        value = document.value
        self.secrets += literal_secrets(document, named=self._tells(value))
        if not isinstance(value, dict):
            self._error(
                document, (), f"expected a mapping, found {show(value)}", _expected(self.name)
            )
        elif "apiVersion" in value or "kind" in value:
            self._envelope(document, value)
        elif self.name in ("model.yaml", "model.yml") or self.name.endswith(
            (".model.yaml", ".model.yml")
        ):
            self._model(document)
        elif self.name in ("server.yaml", "server.yml"):
            self._bare_server(document, value)
        elif self.name == "mcp.json":
            self._mcp(document, value)
        elif self.name.endswith((".preset.json", ".preset.yaml", ".preset.yml")):
            self._preset(document, value)
        elif "model" in value and "base" in value:
            hint = "call the file model.yaml, or end its name with .model.yaml"
            self._error(document, (), "this looks like a model.yaml under another name", hint)
        else:
            self._error(document, (), "no `apiVersion` and `kind`", _EXPECTED)

    def _tells(self, value: Any) -> bool:
        """Say whether a field's name alone tells that it holds a secret: in native model files and
        presets `token` means something else.
        """
        server = isinstance(value, dict) and value.get("kind") == "Server"
        return server or self.name in ("mcp.json", "server.yaml", "server.yml")

    def _envelope(self, document: Document, value: dict[str, Any]) -> None:
        kind = value.get("kind")
        if value.get("apiVersion") != API_VERSION:
            found = (
                f"found {show(value['apiVersion'], named=True)}"
                if "apiVersion" in value
                else "and it is missing"
            )
            message = f"`apiVersion`: expected `{API_VERSION}`, {found}"
            self._error(document, ("apiVersion",), message, f"write: apiVersion: {API_VERSION}")
        elif "kind" not in value:
            self._error(document, (), "`kind` is required and missing", f"kinds: {_kinds()}")
        elif not isinstance(kind, str):
            message = f"`kind`: expected text, found {show(kind)}"
            self._error(document, ("kind",), message, f"kinds: {_kinds()}")
        elif kind not in ENVELOPES:
            self._error(document, ("kind",), f"unknown kind `{kind}`", _kind_hint(kind))
        else:
            self._validated(document, ENVELOPES[kind])

    def _bare_server(self, document: Document, value: dict[str, Any]) -> None:
        wrapped = {
            "apiVersion": API_VERSION,
            "kind": "Server",
            "metadata": {"name": "server"},
            "spec": value,
        }
        self._validated(_below(document, wrapped, "spec"), Server, hidden=1)

    def _model(self, document: Document) -> None:
        before = len(self.diagnostics)
        self._validated(document, Model)
        refused = {each.place for each in self.diagnostics[before:]}
        ignored = overlooked(document, Model)
        self.diagnostics.extend(each for each in ignored if each.place not in refused)

    def _preset(self, document: Document, value: dict[str, Any]) -> None:
        stem = self.name.rpartition(".preset.")[0]
        named = Document({"identifier": stem, **value}, document.places, document.keys)
        self._validated(named, Preset)

    def _mcp(self, document: Document, value: dict[str, Any]) -> None:
        pasted = "mcpServers" not in value and all(isinstance(v, dict) for v in value.values())
        if pasted:  # LM Studio takes entries without their wrapper too
            document = _below(document, {"mcpServers": value}, "mcpServers")
        self.diagnostics.extend(overlooked(document, McpFile, hidden=1 if pasted else 0))
        try:
            read = McpFile.model_validate(document.value)
        except ValidationError as error:
            found = from_validation(error, document, McpFile, hidden=1 if pasted else 0)
            self.diagnostics.extend(found)
            return
        for name, server in read.mcp_servers.items():
            start = ("mcpServers", name)
            self.declared.append(Declared("McpServer", name, server, document, start))

    def _validated(self, document: Document, kind: type[BaseModel], *, hidden: int = 0) -> None:
        try:
            read: Any = kind.model_validate(document.value, context={"folder": self.folder})
        except ValidationError as error:
            self.diagnostics.extend(from_validation(error, document, kind, hidden=hidden))
            if name := _name_of(document.value):
                self.refused.append((kind.__name__, name))
            return
        self.declared.append(Declared(read.kind, read.name, read, document, hidden=hidden))

    def _error(self, document: Document, path: Path, message: str, hint: str) -> None:
        self.diagnostics.append(diagnostics.error(document.place(path), message, hint))


def _name_of(value: dict[str, Any]) -> str | None:
    """Return the name a document gives itself, whatever else is wrong with it."""
    metadata = value.get("metadata")
    own = value.get("model", value.get("identifier"))
    name = metadata.get("name") if isinstance(metadata, dict) else own
    return name if isinstance(name, str) else None


def _below(document: Document, value: Any, name: str) -> Document:
    """Return a document put under a key it leaves out; the top stays where it was."""
    places = {(name, *path): place for path, place in document.places.items()}
    keys = {(name, *path): place for path, place in document.keys.items()}
    return Document(value, {(): document.places[()], **places}, keys)


def _expected(name: str) -> str:
    if name == "mcp.json":
        return 'write {"mcpServers": {"name": {"command": "..."}}}'
    return _EXPECTED


def _kinds() -> str:
    return ", ".join(sorted(ENVELOPES))


def _kind_hint(kind: str) -> str:
    if kind.lower() == "model":
        return "a model has no envelope: it is LM Studio's own model.yaml"
    return suggest.hint(kind, ENVELOPES, what="kinds")
