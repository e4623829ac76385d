"""Virtual models: a `base` that names another model, followed down to weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lmctl.manifests.model import BaseEntry, Model


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """What a model comes down to.

    `entries` are the weights to choose from; empty if the chain leaves the bundle, and then
    `beyond` names the model to look for among those already here. `load` and `operation` are
    `{full key: value}`, a child's over its parents'. `chain` are the models passed, child first.
    """

    entries: tuple[BaseEntry, ...]
    load: Mapping[str, Any]
    operation: Mapping[str, Any]
    chain: tuple[str, ...]
    beyond: str | None = None
    cyclic: bool = False


def resolve(model: Model, models: Mapping[str, Model]) -> ResolvedModel:
    """Follow `base` from model to model. A cycle ends the walk with `cyclic` and no entries."""
    passed = [model]
    while isinstance(base := passed[-1].base, str):
        below = models.get(base)
        if below is None:
            return _resolved(passed, (), beyond=base)
        if any(each.name == below.name for each in passed):
            return _resolved(passed, (), cyclic=True)
        passed.append(below)
    return _resolved(passed, base)


def _resolved(
    passed: list[Model],
    entries: tuple[BaseEntry, ...],
    *,
    beyond: str | None = None,
    cyclic: bool = False,
) -> ResolvedModel:
    load: dict[str, Any] = {}
    operation: dict[str, Any] = {}
    for each in reversed(passed):
        load |= each.load
        operation |= each.operation
    chain = tuple(each.name for each in passed)
    return ResolvedModel(entries, load, operation, chain, beyond, cyclic)
