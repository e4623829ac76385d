"""What a status means for somebody who waits, and the chain of what is waited for."""

import dataclasses

import msgspec
import pytest

from lmctl.base.errors import Refused
from lmctl.base.spec import FailureKind, Phase
from lmctl.cli.chains import blocking_chain
from lmctl.cli.goals import Ended, Goal, judge
from lmctl.planning.conditions import Progress
from lmctl.planning.outcome import Failed, Stalled
from lmctl.planning.report import box_status
from lmctl.planning.surface import AliasTarget, ServedAlias
from lmctl.planning.turn import Reading, take_turn
from tests.support.worlds import desired, host, observed, seen, stored, surface_for, want

CHAT = want("chat")
LONGER = want("chat", context=8192)
FETCH = "fetch model/acme/w1@" + CHAT.weights.key[:12]
LOAD = "load instance/chat@" + CHAT.spec_digest[:12]
NAME = ("instance/chat",)
GIB = 1024**3


def in_sync(*runners):
    return observed(
        *(runners or (seen(CHAT),)), weights=(stored(CHAT.weights),), surface=surface_for((CHAT,))
    )


def status(world, goal=None, *, outcomes=(), progress=(), **changed):
    wanted = dataclasses.replace(goal or desired(CHAT), **changed)
    turn = take_turn(Reading(wanted), world).judged(dict(outcomes), dict(progress))
    return box_status(turn, roots=("/fleet",), progress=dict(progress))


READY = status(in_sync())
LOADING = status(in_sync(seen(CHAT, Phase.LOADING)))
STALLED = status(in_sync(seen(CHAT, Phase.FAILED)), outcomes={LOAD: Stalled("no such thing")})
RETRYING = status(
    in_sync(seen(CHAT, Phase.FAILED)), outcomes={LOAD: Failed("died", FailureKind.BUG)}
)
# The old runner serves, its replacement could not be loaded.
REPLACING = status(
    msgspec.structs.replace(in_sync(seen(CHAT), seen(LONGER, Phase.LOADING)), host=host()),
    desired(LONGER, generation=2),
)
SUSPENDED = status(in_sync(), suspended={"instance/chat": "by me"})
GONE = status(in_sync(), desired())
UNLOADED = status(observed(surface=surface_for(())), desired())


@pytest.mark.parametrize(
    ("now", "goal", "names", "expected"),
    [
        pytest.param(READY, "ready", (), Ended.REACHED, id="everything ready"),
        pytest.param(READY, "ready", NAME, Ended.REACHED, id="it is ready"),
        pytest.param(READY, "serving", (), Ended.REACHED, id="everything serves"),
        pytest.param(READY, "gone", NAME, None, id="still there"),
        pytest.param(READY, "generation=1", NAME, Ended.REACHED, id="this generation"),
        pytest.param(READY, "generation=2", NAME, None, id="not that generation yet"),
        pytest.param(LOADING, "ready", (), None, id="loading"),
        pytest.param(LOADING, "serving", NAME, None, id="loading does not serve"),
        pytest.param(STALLED, "ready", (), Ended.HOPELESS, id="stalled"),
        pytest.param(STALLED, "ready", ("model/acme/w1",), Ended.REACHED, id="another stalled"),
        pytest.param(STALLED, "serving", NAME, Ended.HOPELESS, id="stalled does not serve"),
        pytest.param(STALLED, "gone", NAME, None, id="stalled may still go"),
        pytest.param(STALLED, "generation=2", NAME, None, id="stalled, an edit is awaited"),
        pytest.param(RETRYING, "ready", NAME, None, id="retrying may go well"),
        pytest.param(REPLACING, "ready", NAME, None, id="being replaced"),
        pytest.param(REPLACING, "serving", NAME, Ended.REACHED, id="being replaced, it serves"),
        pytest.param(SUSPENDED, "ready", (), Ended.REACHED, id="suspended is not waited for"),
        pytest.param(SUSPENDED, "ready", NAME, Ended.HOPELESS, id="suspended and named"),
        pytest.param(GONE, "gone", NAME, None, id="undeclared and still running"),
        pytest.param(GONE, "gone", ("instance",), None, id="its kind still running"),
        pytest.param(UNLOADED, "gone", NAME, Ended.REACHED, id="gone"),
        pytest.param(UNLOADED, "gone", ("instance",), Ended.REACHED, id="all of a kind gone"),
    ],
)
def test_how_waiting_ends(now, goal, names, expected):
    assert judge(now, Goal.parse(goal), names) is expected


@pytest.mark.parametrize("word", ["", "done", "generation", "generation=x", "generation=-1"])
def test_what_cannot_be_waited_for(word):
    with pytest.raises(Refused):
        Goal.parse(word)


def chain(now, key="instance/chat"):
    return blocking_chain(now, key)


def test_the_chain_ends_at_what_really_goes_on():
    fetching = {FETCH: Progress("fetching 4.2 GiB of 6.9 GiB", 4.2 * GIB, 6.9 * GIB)}
    assert chain(status(observed(), progress=fetching)) == (
        "instance/chat <- model/acme/w1 fetching 4.2 GiB of 6.9 GiB (61%)"
    )
    loading = {LOAD: Progress("loading, 40%", 0.4, 1.0)}
    now = status(in_sync(seen(CHAT, Phase.LOADING)), progress=loading)
    assert chain(now) == "instance/chat loading, 40%"


def test_the_chain_of_a_route_goes_on_to_its_instance():
    goal = desired(CHAT)
    alias = ServedAlias("talk", ("assistant",), (AliasTarget("chat"),))
    goal = dataclasses.replace(
        goal, surface=msgspec.structs.replace(goal.surface, aliases=(alias,))
    )
    fetching = {FETCH: Progress("fetching 4.2 GiB of 6.9 GiB", 4.2 * GIB, 6.9 * GIB)}
    assert chain(status(observed(), goal, progress=fetching), "route/talk") == (
        "route/talk <- instance/chat <- model/acme/w1 fetching 4.2 GiB of 6.9 GiB (61%)"
    )


def test_the_chain_tells_trouble_and_what_is_held():
    failed = status(observed(), outcomes={FETCH: Failed("no network", FailureKind.TRANSIENT)})
    assert chain(failed) == "instance/chat <- model/acme/w1 no network"
    held = status(observed(), suspended={"model/acme/w1": "by me"})
    assert chain(held) == "instance/chat <- model/acme/w1 held: suspended: by me"
    assert chain(status(observed())) == ("instance/chat <- model/acme/w1 needed by instance chat")
