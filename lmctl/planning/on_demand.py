"""What requests load: whose such an instance is, how long it stays, what there is to load."""

from collections.abc import Iterable, Iterator

from lmctl.manifests.instance import Instance
from lmctl.manifests.server import Jit
from lmctl.planning.desired import Owner, WantedInstance
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
