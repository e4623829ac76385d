"""Virtual models: a `base` that names another model, followed down to weights."""

from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeVar

from lmctl.base import custom_fields as told
from lmctl.manifests.custom_fields import CustomField, to_told
from lmctl.manifests.model import BaseEntry, MetadataOverrides, Model, Suggestion

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a model comes down to, a child's word over its parents' everywhere.

    `entries` are the weights to choose from; empty if the chain leaves the bundle, and then
    `beyond` names the model to look for among those already here. `load` and `operation` are
    `{full key: value}`. A custom field replaces the parents' of its key, a suggestion theirs with
    its message, and of `metadata` each field counts for itself. `chain` are the models passed,
    child first.
    """

    entries: tuple[BaseEntry, ...]
    load: Mapping[str, Any]
    operation: Mapping[str, Any]
    custom_fields: tuple[CustomField, ...]
    metadata: MetadataOverrides
    suggestions: tuple[Suggestion, ...]
    chain: tuple[str, ...]
    beyond: str | None = None
    cyclic: bool = False

    @property
    def switches(self) -> tuple[told.CustomField, ...]:
        """Return the custom fields as they are told to who acts on them."""
        return tuple(to_told(each, self.chain) for each in self.custom_fields)


@dataclass(frozen=True, slots=True)
class Walk:
    """The models passed from child to last parent, and how the way ended if not at weights."""

    passed: tuple[Model, ...]
    beyond: str | None = None
    cyclic: bool = False


def follow(model: Model, models: Mapping[str, Model]) -> Walk:
    """Follow `base` from model to model. A cycle ends the walk with `cyclic`."""
    passed = {model.name: model}
    last = model
    while isinstance(last.base, str):
        if last.base in passed:
            return Walk(tuple(passed.values()), cyclic=True)
        if last.base not in models:
            return Walk(tuple(passed.values()), beyond=last.base)
        last = models[last.base]
        passed[last.name] = last
    return Walk(tuple(passed.values()))


def resolve(model: Model, models: Mapping[str, Model]) -> ResolvedModel:
    """Return what a model comes down to; a cycle leaves it without entries."""
    walk = follow(model, models)
    parents_first = walk.passed[::-1]
    base = parents_first[0].base
    return ResolvedModel(
        entries=() if isinstance(base, str) else base,
        load=dict(ChainMap(*(each.load for each in walk.passed))),
        operation=dict(ChainMap(*(each.operation for each in walk.passed))),
        custom_fields=_by(attrgetter("key"), (each.custom_fields for each in parents_first)),
        metadata=_metadata(each.metadata_overrides for each in parents_first),
        suggestions=_by(attrgetter("message"), (each.suggestions for each in parents_first)),
        chain=tuple(each.name for each in walk.passed),
        beyond=walk.beyond,
        cyclic=walk.cyclic,
    )


def _by(key: Callable[[Item], str], lists: Iterable[tuple[Item, ...]]) -> tuple[Item, ...]:
    """Return the items of all lists, a later one in the place of an earlier one with its key."""
    return tuple({key(each): each for items in lists for each in items}.values())


def _metadata(overrides: Iterable[MetadataOverrides]) -> MetadataOverrides:
    """Return what is given of each field, by the last that gives it."""
    merged = MetadataOverrides()
    for each in overrides:
        given = {name: getattr(each, name) for name in each.model_fields_set}
        merged = merged.model_copy(update=given)
    return merged
