"""What requests load: whose such an instance is, how long it stays, what there is to load."""

from collections.abc import Iterable, Iterator

from lmctl.manifests.instance import Instance
from lmctl.manifests.server import Jit
from lmctl.planning.desired import DesiredState, Owner, WantedInstance
from lmctl.planning.known_models import KnownModels
from lmctl.planning.manual_loads import ManualLoad, by_request
from lmctl.planning.surface import Loadable


def ownership(instance: Instance, load: ManualLoad | None, jit: Jit) -> tuple[Owner, float | None]:
    """Return whose an instance is, and after how many idle seconds it goes (None: never).

    `load` is what asked for it, where it is not there for being declared (contract 2.3, rule 4).
    """
    if load is not None and load.owner == "manual":
        return "manual", load.ttl
    if load is None and not by_request(instance):
        return "fleet", None
    usual = jit.ttl if jit.auto_unload else None
    given = (load.ttl if load else None, instance.spec.residency.ttl, usual)
    return "jit", next((each for each in given if each is not None), None)


def loadable(
    instances: Iterable[WantedInstance], asleep: Iterable[WantedInstance], models: Iterable[str]
) -> Iterator[Loadable]:
    """Yield what a request may load: instances that wait for one, then models that have none."""
    waiting = tuple(asleep)
    yield from (Loadable(each.identifier, each.model, each.name) for each in waiting)
    used = {each.model for each in (*instances, *waiting)}
    yield from (Loadable(key, key) for key in sorted(set(models) - used))


def in_the_way(
    desired: DesiredState, name: str, model: str, known: KnownModels
) -> list[WantedInstance]:
    """Return the instances requests had loaded that are not to stay beside instance `name` of a
    `model` (contract 2.3, rules 9, 10 and 13). What is not `known` counts as a language model.
    """
    policy = desired.on_demand
    if not policy.keep_only_last:
        return []
    kinds = {each.key.partition("@")[0]: each.type for each in known.models}

    def kind(key: str) -> str:
        return kinds.get(key.partition("@")[0], "llm")

    return [
        each
        for each in desired.instances
        if each.owner == "jit"
        and each.name != name
        and (kind(each.model) == kind(model) or not policy.per_type)
    ]
