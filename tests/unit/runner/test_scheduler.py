"""The scheduler over a real (echo) engine, on the test's own thread."""

from lmctl.base.errors import Busy
from lmctl.base.talk import Finished
from lmctl.runner.echo import Script
from lmctl.runner.pace import UNKNOWN
from lmctl.runner.port import Full
from tests.support.scheduling import World


def test_requests_share_steps_and_each_gets_its_own_answer():
    world = World(Script(), parallel=2)
    first, second = world.submit("a b c"), world.submit("x y")

    world.scheduler.run()

    assert (world.text(first), world.text(second)) == ("a b c", "x y")
    assert world.engine.steps[0] == [(0, 3), (1, 2)]
    assert world.engine.steps[1] == [(0, 1), (1, 1)]


def test_more_requests_than_slots_wait_in_order():
    world = World(Script(), parallel=1)
    jobs = [world.submit(text) for text in ("a", "b", "c")]

    world.scheduler.run()

    ended = [each.job for turn in world.turns for each in turn.outputs if each.ended]
    assert ended == jobs
    assert max(turn.running for turn in world.turns) == 1


def test_a_long_prompt_is_read_in_small_pieces_while_others_decode():
    world = World(Script(reply="r " * 40), parallel=2, physical_batch_size=512)
    world.submit("go")
    long = "w " * 300
    world.on_turn = lambda _turn: world.submit(long) if len(world.turns) == 2 else None

    world.scheduler.run()

    pieces = [size for step in world.engine.steps for sequence, size in step if sequence == 1]
    assert pieces[:19] == [UNKNOWN] * 18 + [300 - 18 * UNKNOWN]
    beside = [step for step in world.engine.steps if len(step) == 2]
    assert all(step[0] == (0, 1) for step in beside)


def test_a_prompt_alone_gets_the_whole_step():
    world = World(Script(reply="ok"), parallel=2, physical_batch_size=512)
    world.submit("w " * 600)

    world.scheduler.run()

    assert world.engine.steps[:2] == [[(0, 512)], [(0, 88)]]


def test_feeds_are_in_ascending_order_of_sequences_after_slots_were_reused():
    world = World(Script(), parallel=3)
    for text in ("a b c d e", "x", "a b c d", "y z", "q r s"):
        world.submit(text)

    world.scheduler.run()

    for step in world.engine.steps:
        sequences = [sequence for sequence, _ in step]
        assert sequences == sorted(sequences)


def test_cancelling_frees_the_slot_for_who_waits():
    world = World(Script(reply="r " * 50), parallel=1)
    first, second = world.submit(), world.submit(max_tokens=1)
    world.on_turn = lambda _turn: world.scheduler.cancel(first) if len(world.turns) == 3 else None

    world.scheduler.run()

    assert not any(isinstance(event, Finished) for event in world.told(first))
    assert world.told(second)[-1].reason == "length"


def test_cancelling_what_has_ended_changes_nothing():
    world = World(Script(), parallel=1)
    first, second = world.submit("a"), world.submit("b c d")
    world.on_turn = lambda _turn: world.scheduler.cancel(first) if first.ended else None

    world.scheduler.run()

    assert world.text(second) == "b c d"


def test_who_waits_past_the_deadline_is_told_busy():
    times = iter(range(100))
    world = World(Script(reply="r " * 30), clock=lambda: float(next(times)), parallel=1)
    world.submit()
    late = world.submit(deadline=5.0)

    world.scheduler.run()

    [error] = [each.error for turn in world.turns for each in turn.outputs if each.job is late]
    assert isinstance(error, Busy)


def test_when_memory_for_tokens_runs_out_the_longest_ends_and_the_others_go_on():
    world = World(Script(reply="r r r"), parallel=2)
    refused = []

    def step(feeds, bell, step=world.engine.step):
        if not refused:
            refused.append(feeds)
            raise Full
        return step(feeds, bell)

    world.engine.step = step
    short, long = world.submit("a"), world.submit("a b c d")
    long.fed = 1

    world.scheduler.run()

    assert world.told(long)[-1].reason == "length"
    assert world.told(short)[-1].reason == "stop"


def test_every_job_ends_exactly_once_and_every_token_is_counted():
    world = World(Script(reply="r " * 7), parallel=2)
    jobs = [world.submit() for _ in range(5)]

    world.scheduler.run()

    ended = [each.job for turn in world.turns for each in turn.outputs if each.ended]
    assert sorted(map(id, ended)) == sorted(map(id, jobs))
    assert sum(turn.tokens for turn in world.turns) == 5 * 7


def test_a_stopped_scheduler_returns_though_jobs_are_open():
    world = World(Script(reply="r " * 1000), parallel=1)
    world.submit()
    world.on_turn = lambda _turn: world.scheduler.stop()

    world.scheduler.run()

    assert world.open


def test_an_echo_s_pause_ends_when_the_bell_rings():
    world = World(Script(token_seconds=600), parallel=1)
    job = world.submit()
    world.on_turn = lambda _turn: world.scheduler.cancel(job)

    world.scheduler.run()

    assert job.ended
