"""`Route`: a name clients use that leads to one of several instances."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from lmctl.manifests.envelope import (
    HOT,
    IDENTITY,
    Envelope,
    Items,
    Node,
    NonEmpty,
    ObjectName,
    complaint,
    distinct,
)


class Target(Node):
    """An instance that answers, and its share."""

    instance: ObjectName
    """Name of the Instance."""
    weight: Annotated[int, Field(ge=0, le=1000)] | None = None
    """Share of the requests, next to the other targets' weights; 0 takes no new ones. Without
    weights the first target that is up takes every request."""


class RouteSpec(Node):
    """Where requests for a name go."""

    names: Items[NonEmpty] = ()
    """Names clients use; the name of the object if left out."""
    targets: Annotated[Items[Target], Field(min_length=1), distinct("instance")]
    """Instances that answer: all with a weight, or in the order they are tried."""
    fallback: Items[ObjectName] = ()
    """Instances to try, in this order, while no target is up."""
    preset: NonEmpty | None = None
    """Name of a preset whose settings lie below those of the request."""

    @model_validator(mode="after")
    def _weights_make_sense(self) -> Self:
        given = [each.weight for each in self.targets if each.weight is not None]
        if given and len(given) < len(self.targets):
            bare = next(index for index, each in enumerate(self.targets) if each.weight is None)
            hint = "give every target a weight, or none for trying them in order"
            raise complaint(
                "`weight` is missing, other targets have one", "targets", bare, hint=hint
            )
        if given and not any(given):
            hint = "give one of them a weight of at least 1"
            raise complaint(
                "every weight is 0, so no request could go anywhere", "targets", hint=hint
            )
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> Self:
        for field, values in (("names", self.names), ("fallback", self.fallback)):
            for index, each in enumerate(values):
                if each in values[:index]:
                    hint = "keep one of the two"
                    raise complaint(f"`{each}` is given twice", field, index, hint=hint)
        return self


class Route(Envelope):
    """A public name and the instances behind it."""

    kind: Annotated[Literal["Route"], IDENTITY]
    """Kind of object."""
    spec: Annotated[RouteSpec, HOT]
    """Where requests go."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names clients use."""
        return self.spec.names or (self.metadata.name,)
