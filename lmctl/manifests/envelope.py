"""What all manifests share: strict frozen nodes, names, quantities, and the envelope of our kinds."""

from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    ValidationError,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from lmctl.base.changes import ChangeClass
from lmctl.base.quantities import parse_duration, parse_size

API_VERSION: Final = "lmctl/v1alpha1"
CHANGE: Final = "x-lmctl-change"
QUANTITY: Final = "x-lmctl-quantity"

Item = TypeVar("Item")
# Strict pydantic would refuse YAML's lists for tuples; what is in them stays strict.
Items = Annotated[tuple[Item, ...], Strict(False)]  # noqa: FBT003 # pydantic's own signature


class Node(BaseModel):
    """A part of a manifest: immutable, camelCase outside, nothing converted, nothing unknown."""

    model_config = ConfigDict(
        defer_build=True,
        strict=True,
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
    )


def costs(change: ChangeClass) -> Any:
    """Return what an `Annotated` field says about the cost of changing it and all below it.

    A field that says nothing costs what its parent does.
    """
    return Field(json_schema_extra={CHANGE: change.value})


HOT: Final = costs(ChangeClass.HOT)
RELOAD: Final = costs(ChangeClass.RELOAD)
REPLACE: Final = costs(ChangeClass.REPLACE)
SERVER_RESTART: Final = costs(ChangeClass.SERVER_RESTART)
IDENTITY: Final = costs(ChangeClass.IDENTITY)

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    WithJsonSchema({"type": ["string", "integer"], QUANTITY: "size", "examples": ["512Mi", "8Gi"]}),
]
Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema(
        {"type": ["string", "number"], QUANTITY: "duration", "examples": ["30s", "15m", "1h30m"]}
    ),
]
ObjectName = Annotated[str, Field(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
ModelKey = Annotated[str, Field(pattern=r"^[^/\s]+/[^/\s]+$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$"), AfterValidator(str.lower)]
NonEmpty = Annotated[str, Field(min_length=1)]


class NativeNode(Node):
    """A part of LM Studio's own files: as strict, but later versions may add fields to it."""

    model_config = ConfigDict(defer_build=True, extra="ignore")


def complaint(message: str, *location: str | int, hint: str | None = None) -> ValidationError:
    """Return an error for a validator to raise at a place below its own."""
    words = {"message": message, "hint": hint}
    kind = PydanticCustomError("settings", "{message}", words)
    return ValidationError.from_exception_data(
        "manifest", [{"type": kind, "loc": location, "input": None}]
    )


def distinct(attribute: str) -> AfterValidator:
    """Return the rule that no two items of a list agree in an attribute, such as `name`."""

    def check(items: tuple[BaseModel, ...]) -> tuple[BaseModel, ...]:
        seen: set[object] = set()
        for index, each in enumerate(items):
            value = getattr(each, attribute)
            if value in seen:
                message = f"`{value}` is given twice"
                raise complaint(message, index, attribute, hint="keep one of the two")
            seen.add(value)
        return items

    return AfterValidator(check)


class Metadata(Node):
    """Who an object is."""

    name: ObjectName
    """Name of the object, unique among its kind: lower-case letters, digits and dashes."""


class Envelope(Node):
    """What a manifest of lmctl's own kinds looks like from outside."""

    api_version: Annotated[Literal["lmctl/v1alpha1"], IDENTITY]
    """Version of the manifest's form."""
    metadata: Annotated[Metadata, IDENTITY]
    """Who this object is."""

    @property
    def name(self) -> str:
        return self.metadata.name


def plain(node: BaseModel) -> dict[str, Any]:
    """Return a node as JSON values, defaults filled in, camelCase names; what its digest is of."""
    return node.model_dump(mode="json", by_alias=True)
