"""What the gateway is told of each instance.

Who is served is ready, whatever is being done for it beside. What is being brought up, or back, is
worth waiting for; only what is in trouble is refused at once.
"""

from lmctl.planning.admitting import rollouts
from lmctl.planning.conditions import ConditionType, Standing, State
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.rollout import Rollout
from lmctl.planning.surface import Health, InstanceHealth

_TROUBLE = {State.STALLED: "stalled", State.RETRYING: "failed", State.SUSPENDED: "suspended"}


def health_of(
    desired: DesiredState, observed: ObservedState, standings: tuple[Standing, ...]
) -> Health:
    """Return what the gateway should think of every declared instance."""
    by_key = {each.key: each for each in standings}
    found = rollouts(desired, observed)
    return Health(
        generation=desired.generation,
        resident=tuple(each.name for each in desired.instances if each.owner != "jit"),
        instances=tuple(
            _health(found[each.name], by_key[f"instance/{each.name}"]) for each in desired.instances
        ),
    )


def _health(rollout: Rollout, standing: Standing) -> InstanceHealth:
    name = rollout.want.name
    if standing.holds(ConditionType.SERVING):
        return InstanceHealth(name, "ready")
    comes_back = rollout.fallback is not None or any(each.retired for each in rollout.others)
    waits = comes_back and standing.state is not State.SUSPENDED
    if standing.state in _TROUBLE and not waits:
        return InstanceHealth(name, _TROUBLE[standing.state], standing.message)
    return InstanceHealth(name, "waiting", standing.message)
