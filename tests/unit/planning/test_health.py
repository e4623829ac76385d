"""What the gateway is told of an instance while it changes."""

import msgspec
import pytest

from lmctl.base.spec import FailureKind, Phase
from lmctl.planning.health import health_of
from lmctl.planning.outcome import Failed, Stalled
from lmctl.planning.rollout import attempt_of
from lmctl.planning.turn import Reading, take_turn
from tests.support import worlds
from tests.support.worlds import desired, observed, seen, stored, want

A, LONGER = want("a"), want("a", context=8192)
LOAD = "load instance/a@" + LONGER.spec_digest[:12]


def world(*runners, routed_to=A):
    surface = worlds.surface_for((routed_to,))
    return observed(*runners, weights=(stored(A.weights),), surface=surface)


def told(goal, seen_world, outcomes=None):
    turn = take_turn(Reading(desired(goal)), seen_world).judged(outcomes or {}, {})
    health = health_of(turn.desired, turn.observed, turn.standings)
    (instance,) = health.instances
    return instance.phase, instance.reason


FAILED = msgspec.structs.replace(
    seen(LONGER, Phase.FAILED), attempt=attempt_of(LONGER), reason="no room"
)
RETIRED = msgspec.structs.replace(seen(A, Phase.FAILED), retired=True, proven="x")


@pytest.mark.parametrize(
    ("runners", "routed_to", "outcomes", "phase"),
    [
        pytest.param((seen(LONGER),), LONGER, {}, "ready", id="as wanted"),
        pytest.param((seen(A), seen(LONGER, Phase.LOADING)), A, {}, "ready", id="old one serves"),
        pytest.param((seen(A),), A, {LOAD: Stalled("no")}, "ready", id="its change cannot work"),
        pytest.param((seen(LONGER, Phase.PROVING),), LONGER, {}, "waiting", id="being proven"),
        pytest.param((), LONGER, {}, "waiting", id="being loaded"),
        pytest.param((), LONGER, {LOAD: Stalled("no")}, "stalled", id="cannot be loaded"),
        pytest.param(
            (), LONGER, {LOAD: Failed("no", FailureKind.BUG)}, "failed", id="failed to load"
        ),
        pytest.param((RETIRED, FAILED), LONGER, {}, "waiting", id="the one before comes back"),
    ],
)
def test_an_instance_is_served_worth_waiting_for_or_in_trouble(runners, routed_to, outcomes, phase):
    assert told(LONGER, world(*runners, routed_to=routed_to), outcomes)[0] == phase
