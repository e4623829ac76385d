"""What an engine did and holds, added up over the turns of a real scheduler."""

from itertools import count

from lmctl.base.talk import Drafted, Finished, Usage
from lmctl.runner.echo import Script
from lmctl.runner.loop import Output, Turn
from lmctl.runner.meter import WINDOW, Meter
from tests.support.scheduling import World


def metered(meter, world):
    return [meter.add(turn) for turn in world.turns]


def test_a_second_answer_to_the_same_prompt_counts_as_cached():
    world = World(Script(reply="x y z"), parallel=1, clock=lambda: 1.0)
    world.submit("a b c d e")
    world.submit("a b c d e")
    world.scheduler.run()

    work = metered(Meter(room=100), world)[-1]

    assert (work.prompt_tokens, work.cached_tokens) == (10, 4)
    assert work.generating == 0
    assert work.held == 5 + 3  # prompt and answer stay for the next turn of the conversation
    assert work.room == 100


def test_who_reads_does_not_generate():
    world = World(Script(reply="x y z"), parallel=2)
    world.submit("a b c")
    world.scheduler.run()

    told = [each.generating for each in metered(Meter(), world)]

    assert told[0] == 0
    assert max(told) == 1
    assert told[-1] == 0


def test_the_rate_is_of_the_time_in_which_somebody_generates():
    ticks = iter([0.0, 1.0, 2.0, 500.0, 501.0])
    meter = Meter(clock=lambda: next(ticks))
    for turn in (
        Turn([], running=1, tokens=0, generating=1),
        Turn([], running=1, tokens=6, generating=1),
        Turn([], running=0, tokens=6, generating=0),  # nothing goes on until 500
        Turn([], running=1, tokens=0, generating=1),
        Turn([], running=1, tokens=3, generating=1),
    ):
        work = meter.add(turn)
    assert work.rate == (6 + 6 + 3) / 3


def test_the_rate_forgets_what_was_long_ago():
    seconds = count()
    meter = Meter(clock=lambda: float(next(seconds)))
    for tokens in [100] * 20 + [1] * int(WINDOW + 2):
        work = meter.add(Turn([], running=1, tokens=tokens, generating=1))
    assert work.rate == 1.0


def test_drafts_are_counted():
    finished = Finished("stop", Usage(1, 1), drafted=Drafted("lookup", total=8, accepted=6))
    work = Meter().add(Turn([Output(None, [finished], ended=True)], running=0, tokens=1))
    assert (work.drafted, work.accepted) == (8, 6)
