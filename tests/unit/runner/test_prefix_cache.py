"""What was read is not read again. The echo engine says back what a sequence has read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.base.talk import Started
from lmctl.runner.echo import Script
from lmctl.runner.prefix_cache import LEAST_COPIED, common_prefix
from tests.support.scheduling import Watched, World

SYSTEM = "".join(f"s{n} " for n in range(100))
SMALL = {"context_length": 1024, "physical_batch_size": 512}


def ask(world, *texts, **more):
    """Submit texts one after the other, each when the one before has ended; return their jobs."""
    jobs = []
    for text in texts:
        jobs.append(world.submit(text, **more))
        world.scheduler.run()
        world.restart()
    return jobs


def read(world, begin=0):
    """Return the sizes of the prompt pieces that were read, by sequence."""
    return [each for step in world.engine.steps[begin:] for each in step if each[1] > 1]


@pytest.mark.parametrize("prompt", ["hello you ", "a " * 50])
def test_a_follow_up_turn_reads_what_is_new(prompt):
    world = World(Script(), parallel=2, **SMALL)

    first, second = ask(world, prompt, f"{prompt}{prompt}one more ")

    assert world.text(second) == f"{prompt}{prompt}one more "
    was = len(first.prompt)
    assert world.usage(first).cached_tokens == 0
    assert world.usage(second).cached_tokens == 2 * was
    assert read(world)[1:] == [(0, 2)]


def test_an_asker_hears_at_the_first_token_what_was_cached():
    world = World(Script(), parallel=1, **SMALL)

    _, again = ask(world, SYSTEM, SYSTEM)

    assert world.told(again)[0] == Started(100, 99)  # the last one is read for what follows it


def test_a_prompt_with_the_same_beginning_gets_a_copy_and_the_old_one_stays():
    world = World(Script(reply="ok"), parallel=3, **SMALL)

    jobs = ask(world, SYSTEM + "a " * 40, SYSTEM + "b " * 40, SYSTEM + "a " * 40 + "more ")

    assert [world.usage(job).cached_tokens for job in jobs] == [0, 100, 140]
    assert [job.sequence for job in jobs] == [0, 1, 0]


def test_a_little_that_is_shared_is_not_worth_a_copy():
    world = World(Script(), parallel=2, **SMALL)
    little = "s " * (LEAST_COPIED - 1)

    _, second = ask(world, little + "a " * 40, little + "b " * 40)

    assert world.usage(second).cached_tokens == 0
    assert world.text(second) == little + "b " * 40


def test_what_another_has_read_is_copied_while_it_answers():
    world = World(Script(), parallel=2, **SMALL)
    first = world.submit(SYSTEM + "a ")
    late = []
    world.on_turn = lambda _turn: (
        late or (late.append(world.submit(SYSTEM + "b ")) if world.text(first) else None)
    )

    world.scheduler.run()

    assert world.usage(late[0]).cached_tokens == 100
    assert (world.text(first), world.text(late[0])) == (SYSTEM + "a ", SYSTEM + "b ")


def test_who_comes_together_with_the_same_prompt_reads_it_once():
    world = World(Script(), parallel=4, context_length=1024, physical_batch_size=64)
    jobs = [world.submit(SYSTEM + f"{n} ") for n in range(4)]

    world.scheduler.run()

    assert [world.usage(job).cached_tokens for job in jobs] == [0, 100, 100, 100]
    assert [world.text(job) for job in jobs] == [SYSTEM + f"{n} " for n in range(4)]


def test_who_waits_for_another_s_reading_goes_on_when_that_one_leaves():
    world = World(Script(), parallel=2, context_length=1024, physical_batch_size=40)
    first, second = world.submit(SYSTEM), world.submit(SYSTEM)
    step = world.engine.step

    def cancel_after(feeds, bell):
        found = step(feeds, bell)
        world.scheduler.cancel(first)
        return found

    world.engine.step = cancel_after
    world.scheduler.run()

    assert world.text(second) == SYSTEM
    assert world.usage(second).cached_tokens == 40  # what the first had read until then


def test_the_longest_unused_makes_room():
    world = World(Script(reply="ok"), parallel=2, **SMALL)
    one, two, three = ("".join(f"{name}{n} " for n in range(50)) for name in "abc")

    jobs = ask(world, one, two, one + "more ", three, one, two)

    assert [world.usage(job).cached_tokens > 0 for job in jobs] == [
        *(False, False, True),
        *(False, True, False),
    ]


def test_where_several_are_at_work_what_rests_right_beside_them_makes_room():
    world = World(Script(reply="ok"), parallel=8, **SMALL)
    prompts = [f"{letter} " * 40 for letter in "abcdefgh"]
    ask(
        world, *prompts, prompts[5], prompts[3], prompts[4]
    )  # the longest unused: 0, 1, 2, 6, 7, 5, 3, 4

    jobs = [world.submit(f"{letter} " * 40) for letter in "stuvw"]
    world.scheduler.run()

    assert [job.sequence for job in jobs] == [0, 1, 2, 3, 4]


def test_in_a_shared_budget_what_rests_makes_room_before_anyone_is_ended():
    world = World(Script(reply="ok"), parallel=3, unified_kv=True, context_length=110)

    jobs = ask(world, "a " * 50, "b " * 50, "c " * 50, "d " * 100)

    assert [world.told(job)[-1].reason for job in jobs] == ["stop"] * 4


class Recurrent(Watched):
    """Its state is of the last token only."""

    def __init__(self, script, **settings):
        super().__init__(script, **settings)
        self.facts = type(self.facts)(
            **{name: getattr(self.facts, name) for name in self.facts.__slots__}
            | {"can_cut": False}
        )

    def cuttable(self, sequence):
        return len(self._read[sequence])

    def cut(self, sequence, begin):
        assert begin == 0
        super().cut(sequence, begin)


def test_where_nothing_can_be_cut_only_a_whole_sequence_is_gone_on_with():
    world = World(Script(), engine=Recurrent, parallel=2, **SMALL)

    jobs = ask(world, SYSTEM, SYSTEM + SYSTEM + "more ", SYSTEM + "other ")

    assert [world.usage(job).cached_tokens for job in jobs] == [0, 200, 0]
    assert world.text(jobs[2]) == SYSTEM + "other "


class Windowed(Watched):
    """Keeps the last few tokens of each sequence only."""

    WINDOW = 8

    def cuttable(self, sequence):
        return max(0, len(self._read[sequence]) - self.WINDOW)

    def cut(self, sequence, begin):
        assert begin == 0 or begin >= self.cuttable(sequence)
        super().cut(sequence, begin)


def test_where_a_window_is_kept_a_sequence_is_cut_back_a_little_only():
    world = World(Script(reply="ok"), engine=Windowed, parallel=2, **SMALL)

    jobs = ask(world, SYSTEM, SYSTEM + "a ", SYSTEM + "b ", "s0 s1 s2 s3 " * 10)

    assert [world.usage(job).cached_tokens for job in jobs] == [0, 100, 100, 0]


@given(st.lists(st.integers(0, 2)), st.lists(st.integers(0, 2)), st.integers(0, 400))
def test_a_common_prefix_is_as_long_as_it_can_be(one, other, repeat):
    one, other = [7] * repeat + one, [7] * repeat + other
    most = min(len(one), len(other))
    expected = next((n for n in range(most) if one[n] != other[n]), most)

    assert common_prefix(one, other, most) == expected
    assert common_prefix(one, other, most // 2) == min(expected, most // 2)
