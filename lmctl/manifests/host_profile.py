"""`HostProfile`: what a machine has to offer, written by `lmctl facts` and read where it is not.

It is no manifest: it says what is, not what should be, and belongs beside a fleet, not into it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic, Place
from lmctl.manifests.envelope import (
    API_VERSION,
    Envelope,
    Items,
    Node,
    NonEmpty,
    Size,
    complaint,
    plain,
)
from lmctl.manifests.problems import from_validation
from lmctl.manifests.yaml_source import Document, parse

KIND: Final = "HostProfile"
_HINT: Final = "write one with: lmctl facts > box.yaml"


class Cores(Node):
    """Processors."""

    logical: Annotated[int, Field(ge=1)]
    """What the operating system counts."""
    physical: Annotated[int, Field(ge=1)]
    """What there is, two threads of one counted once."""
    usable: Annotated[float, Field(gt=0)]
    """How many may be kept busy at once; a fraction under a quota."""
    features: Items[NonEmpty] = ()
    """Instruction sets that decide how weights are laid out, such as `avx2`."""


class Memory(Node):
    """Main memory."""

    total: Size
    """What the machine has."""
    limit: Size
    """What may be used of it: less than `total` inside a control group with a limit."""
    others: Size = 0
    """What everything but models uses of it and cannot give back."""
    swap: Size = 0
    """Swap space; models are never planned into it."""

    @model_validator(mode="after")
    def _limit_is_a_part(self) -> Self:
        if self.limit > self.total:
            raise complaint("is more than `total`", "limit", hint="a limit only takes away")
        return self


class Disk(Node):
    """The disk that holds lmctl's home."""

    total: Size
    """How large it is."""
    free: Size
    """What may still be written."""


class Gpu(Node):
    """A device with memory of its own."""

    name: NonEmpty
    """What it is called."""
    memory: Size
    """How much it has."""


class HostProfileSpec(Node):
    """What a machine has to offer."""

    os: NonEmpty
    """Operating system: `linux`, `darwin`, `windows`."""
    arch: NonEmpty
    """Processor family: `x86_64`, `aarch64`."""
    cores: Cores
    """Processors."""
    memory: Memory
    """Main memory."""
    disk: Disk
    """The disk that holds lmctl's home."""
    gpus: Items[Gpu] = ()
    """Devices with memory of their own."""
    labels: Mapping[str, str] = Field(default_factory=dict)
    """What instances may ask for in `placement.labels`."""


class HostProfileFile(Envelope):
    """A machine."""

    kind: Literal["HostProfile"]
    """Kind of object."""
    spec: HostProfileSpec
    """What it has."""

    @property
    def plain_spec(self) -> dict[str, Any]:
        """Return it as JSON values, sizes in bytes."""
        return plain(self.spec)


@dataclass(frozen=True, slots=True)
class ProfileReading:
    """A profile, or everything that is wrong with its file."""

    file: HostProfileFile | None
    diagnostics: tuple[Diagnostic, ...]


def read_profile(name: str, content: bytes) -> ProfileReading:
    """Return what a file says. Never raises for anything a file can hold."""
    parsed = parse(name, content)
    found = list(parsed.diagnostics)
    if len(parsed.documents) != 1:
        count = len(parsed.documents)
        if count or not found:
            message = f"expected one HostProfile, found {count} documents"
            found.append(diagnostics.error(Place(name), message, _HINT))
        return ProfileReading(None, tuple(found))
    document = parsed.documents[0]
    if wrong := _not_one(document):
        return ProfileReading(None, (*found, wrong))
    try:
        file = HostProfileFile.model_validate(document.value)
    except ValidationError as error:
        found.extend(from_validation(error, document, HostProfileFile))
        return ProfileReading(None, tuple(found))
    fatal = any(each.fatal for each in found)
    return ProfileReading(None if fatal else file, tuple(found))


def _not_one(document: Document) -> Diagnostic | None:
    """Return the problem of a document that is something else altogether."""
    value = document.value
    if not isinstance(value, dict):
        return diagnostics.error(document.place(()), "expected a mapping", _HINT)
    if value.get("kind") != KIND:
        said = f"found `{value['kind']}`" if "kind" in value else "and it is missing"
        place = document.place(("kind",))
        return diagnostics.error(place, f"`kind`: expected `{KIND}`, {said}", _HINT)
    if value.get("apiVersion") != API_VERSION:
        hint = f"write: apiVersion: {API_VERSION}"
        place = document.place(("apiVersion",))
        return diagnostics.error(place, f"`apiVersion`: expected `{API_VERSION}`", hint)
    return None
