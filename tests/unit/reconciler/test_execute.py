"""Plans are carried out: side by side, one step per subject, with patience."""

import asyncio
import dataclasses

import pytest

from lmctl.base.spec import FailureKind
from lmctl.planning.outcome import Done, Failed, Stalled, Superseded
from lmctl.planning.plan import LoadInstance, Plan, Planned, PublishSurface, UnloadInstance
from lmctl.planning.surface import Surface
from lmctl.reconciler.execute import LAST_WORDS, Executor
from tests.support.worlds import want

A, B = want("a"), want("b")


class Bench:
    """An executor whose steps end when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0
        self.begun: list[str] = []
        self.ended: list[tuple[str, object]] = []
        self.woken = asyncio.Event()
        self.endings: dict[str, asyncio.Future[object]] = {}
        self.executor = Executor(
            self.act,
            wake=self.woken.set,
            clock=lambda: self.now,
            started=lambda planned, _generation: self.begun.append(planned.key),
            ended=lambda planned, outcome: self.ended.append((planned.key, outcome)),
            jitter=lambda: 1.0,
        )

    async def act(self, step):
        future = asyncio.get_running_loop().create_future()
        self.endings[step.key] = future
        return await future

    async def settle(self, *steps: Planned) -> float | None:
        pause = self.executor.settle(Plan(1, steps))
        await asyncio.sleep(0)
        return pause

    async def end(self, key: str, outcome: object) -> None:
        self.woken.clear()
        self.endings[key].set_result(outcome)
        await asyncio.wait_for(self.woken.wait(), 5)


def load(instance, *after: str) -> Planned:
    return Planned(LoadInstance(instance), "declared", after)


async def test_steps_of_different_subjects_run_side_by_side():
    bench = Bench()
    await bench.settle(load(A), load(B))
    assert bench.begun == [load(A).key, load(B).key]


async def test_a_step_waits_for_what_comes_first():
    bench = Bench()
    unload = Planned(UnloadInstance("a", "u", 1.0), "replaced")
    await bench.settle(unload, load(A, unload.key))
    assert bench.begun == [unload.key]


async def test_a_step_under_way_is_not_started_twice():
    bench = Bench()
    await bench.settle(load(A))
    await bench.settle(load(A))
    assert bench.begun == [load(A).key]


async def test_a_step_that_left_the_plan_is_cancelled_before_another_touches_its_subject():
    bench = Bench()
    await bench.settle(load(A))
    longer = load(want("a", context=8192))
    bench.woken.clear()
    await bench.settle(longer)
    await asyncio.wait_for(bench.woken.wait(), 5)
    await bench.settle(longer)
    assert bench.endings[load(A).key].cancelled()
    assert bench.begun == [load(A).key, longer.key]


async def test_failures_back_off_from_one_second_to_sixty():
    bench = Bench()
    pauses = []
    for _ in range(8):
        assert await bench.settle(load(A)) is None
        await bench.end(load(A).key, Failed("no", FailureKind.TRANSIENT))
        pause = await bench.settle(load(A))
        pauses.append(pause)
        bench.now += pause
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_what_the_other_side_asks_for_is_honoured():
    bench = Bench()
    await bench.settle(load(A))
    await bench.end(load(A).key, Failed("slow down", FailureKind.TRANSIENT, retry_after=17))
    assert await bench.settle(load(A)) == 17


async def test_what_does_not_fit_is_looked_at_again_after_ten_minutes():
    bench = Bench()
    await bench.settle(load(A))
    await bench.end(load(A).key, Failed("no room", FailureKind.CAPACITY))
    assert await bench.settle(load(A)) == 600


async def test_a_stalled_step_is_not_tried_again_until_it_changes_or_a_person_asks():
    bench = Bench()
    await bench.settle(load(A))
    await bench.end(load(A).key, Stalled("no such architecture"))
    bench.now += 1e6
    assert await bench.settle(load(A)) is None
    assert len(bench.begun) == 1
    await bench.settle(load(want("a", context=8192)))
    assert len(bench.begun) == 2
    await bench.end(load(want("a", context=8192)).key, Done())
    bench.executor.forgive()
    await bench.settle(load(A))
    assert len(bench.begun) == 3


async def test_wrong_bytes_are_fetched_three_times_at_most():
    bench = Bench()
    for _ in range(3):
        await bench.settle(load(A))
        await bench.end(load(A).key, Failed("wrong hash", FailureKind.INTEGRITY))
        bench.now += 100
    await bench.settle(load(A))
    assert len(bench.begun) == 3
    assert bench.executor.outcomes[load(A).key] == Stalled("wrong hash")


async def test_a_runner_that_dies_is_restarted_at_once_and_then_ever_more_slowly():
    bench = Bench()
    await bench.settle(load(A))
    await bench.end(load(A).key, Done())
    assert await bench.settle(load(A)) is None
    assert len(bench.begun) == 2
    assert bench.executor.outcomes == {}, "it is being tried, not in trouble"
    await bench.end(load(A).key, Done())
    assert await bench.settle(load(A)) == 1
    bench.now += 1
    await bench.settle(load(A))
    await bench.end(load(A).key, Done())
    assert await bench.settle(load(A)) == 2


async def test_hot_changes_are_never_slowed_down():
    bench = Bench()
    publish = Planned(PublishSurface(Surface()), "settings changed")
    for _ in range(20):
        assert await bench.settle(publish) is None
        await bench.end(publish.key, Done())
        await bench.settle()
    assert len(bench.begun) == 20


async def test_an_edit_forgives_what_failed_before():
    bench = Bench()
    await bench.settle(load(A))
    await bench.end(load(A).key, Stalled("no such file"))
    bench.executor.settle(Plan(2, (load(A),)))
    await asyncio.sleep(0)
    assert len(bench.begun) == 2


async def test_failed_tries_before_the_first_success_do_not_make_a_later_restart_slow():
    bench = Bench()
    for _ in range(4):
        await bench.settle(load(A))
        await bench.end(load(A).key, Failed("no", FailureKind.TRANSIENT))
        bench.now += 60
    await bench.settle(load(A))
    await bench.end(load(A).key, Done())
    assert await bench.settle(load(A)) is None
    assert len(bench.begun) == 6


async def test_a_step_whose_goal_was_seen_first_may_still_say_that_it_is_done():
    bench = Bench()
    await bench.settle(load(A))
    assert await bench.settle() == LAST_WORDS
    await bench.end(load(A).key, Done("loaded in 0.4s"))
    assert bench.ended == [(load(A).key, Done("loaded in 0.4s"))]


async def test_a_step_nobody_wants_is_cancelled_after_its_last_words_and_says_so():
    bench = Bench()
    await bench.settle(load(A))
    await bench.settle()
    bench.now += LAST_WORDS
    bench.woken.clear()
    await bench.settle()
    await asyncio.wait_for(bench.woken.wait(), 5)
    assert bench.ended == [(load(A).key, Superseded("no longer planned"))]
    assert bench.executor.outcomes == {}


async def test_ten_healthy_minutes_make_up_for_old_failures():
    bench = Bench()
    await bench.settle(load(A))
    await bench.end(load(A).key, Failed("no", FailureKind.TRANSIENT))
    bench.now += 1
    await bench.settle(load(A))
    await bench.end(load(A).key, Done())
    bench.now += 601
    await bench.settle()
    assert await bench.settle(load(A)) is None
    await bench.end(load(A).key, Failed("no", FailureKind.TRANSIENT))
    assert await bench.settle(load(A)) == 1


async def test_a_bug_in_a_step_is_an_ending_not_the_end():
    bench = Bench()
    await bench.settle(load(A))
    bench.woken.clear()
    bench.endings[load(A).key].set_exception(ZeroDivisionError("oops"))
    await asyncio.wait_for(bench.woken.wait(), 5)
    ((_, outcome),) = bench.ended
    assert outcome == Failed("ZeroDivisionError: oops", FailureKind.BUG)


@pytest.mark.parametrize("how_many", [0, 3])
async def test_stopping_cancels_what_runs(how_many):
    bench = Bench()
    await bench.settle(*(load(want(f"i{n}")) for n in range(how_many)))
    await bench.executor.stop()
    assert all(each.cancelled() for each in bench.endings.values())
    assert bench.executor.running == frozenset()


async def test_what_cannot_work_is_tried_again_once_what_it_works_with_has_changed():
    bench = Bench()
    without, with_file = (dataclasses.replace(load(A), inputs=each) for each in ("", "a file"))
    await bench.settle(without)
    await bench.end(without.key, Stalled("no such file"))
    await bench.settle(without)
    assert bench.begun == [without.key]
    await bench.settle(with_file)
    assert bench.begun == [without.key] * 2
    await bench.end(without.key, Stalled("still wrong"))
    await bench.settle(with_file)
    assert bench.begun == [without.key] * 2


async def test_a_step_gives_way_when_something_must_be_done_to_its_subject_before_it():
    """A runner that falls silent while it is waited for has to be ended first."""
    bench = Bench()
    await bench.settle(load(A))
    unload = Planned(UnloadInstance("a", "uid", 0.0), "it hangs")
    bench.woken.clear()
    await bench.settle(unload, load(A, unload.key))
    await asyncio.wait_for(bench.woken.wait(), 5)
    assert bench.ended[0][1] == Superseded("something else must be done first")
    await bench.settle(unload, load(A, unload.key))
    assert bench.begun == [load(A).key, unload.key]


async def test_what_stalled_for_one_keeps_nobody_else_waiting():
    bench = Bench()
    await bench.settle(load(A), load(B))
    await bench.end(load(A).key, Stalled("unknown architecture"))
    await bench.end(load(B).key, Done("loaded"))
    await bench.settle(load(A), load(B))
    assert bench.begun == [load(A).key, load(B).key, load(B).key]


async def test_a_held_step_takes_the_subject_from_nobody():
    """Bringing back an old runner was cancelled for the sake of a load that may not begin."""
    bench = Bench()
    back = Planned(UnloadInstance("a", "u", 1.0), "it goes on")
    await bench.settle(back)
    held = Planned(LoadInstance(A), "declared", held="its replacement failed")
    assert await bench.settle(held) == LAST_WORDS
    assert not bench.endings[back.key].cancelled()
    await bench.executor.stop()
