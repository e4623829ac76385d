"""Guessed tokens change nothing in an answer: the scheduler over a real (echo) engine."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.base.errors import BadRequest
from lmctl.base.spec import PROMPT_LOOKUP, LoadSettings
from lmctl.base.talk import Drafting, Finished, ReasoningDelta, Sampling, TextDelta
from lmctl.chat.formats import Thought
from lmctl.chat.parse.parser import Reading
from lmctl.runner.answer_reader import AnswerReader, Budget
from lmctl.runner.drafting import TAKEN_FROM_OTHERS
from lmctl.runner.echo import EchoEngine, Script
from lmctl.runner.guessing import Guessing, guessing_of
from lmctl.runner.job import Job
from lmctl.runner.port import Full
from lmctl.runner.prompt_lookup import PromptLookup
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler

WRONG = 1


class Telling:
    """Guesses an echo's answer, wrong from where it is told to be."""

    name = "telling"

    def __init__(self, rights=()):
        self._rights = iter(rights)
        self.asked = []
        self.forgotten = []

    def draft(self, asks, bell):
        del bell
        self.asked.append([(each.sequence, each.most) for each in asks])
        return [self._guess(each) for each in asks]

    def _guess(self, ask):
        prompt = ask.tokens[: ask.tokens.index(END_OF_PROMPT) + 1]
        answer = prompt[len(ask.tokens) - len(prompt) :]
        right = next(self._rights, len(answer))
        return [*answer[:right], *[WRONG] * ask.most][: ask.most]

    def forget(self, sequence):
        self.forgotten.append(sequence)

    def close(self):
        pass


class Strict(EchoEngine):
    """Remembers how many tokens each step was fed."""

    def __init__(self, script, settings):
        super().__init__(script, settings)
        self.steps = []

    def step(self, feeds, bell):
        assert sum(feed.wants for feed in feeds) <= self.facts.most_wanted
        found = super().step(feeds, bell)
        self.steps.append([len(feed.tokens) for feed in feeds])
        return found


class World:
    """A scheduler that stops by itself when every job has ended."""

    def __init__(self, drafter, *, clock=lambda: 0.0, script=None, rows=1, **settings):
        load = LoadSettings(**{"drafter": "some", **settings})
        self.engine = Strict(script or Script(), load)
        self.engine.facts = replace(self.engine.facts, rows_at_once=rows)
        self.scheduler = Scheduler(self.engine, self.take, clock=clock, drafters=(drafter,))
        self.drafter = drafter
        self.jobs = []
        self.events = {}
        self.turns = 0
        self.on_turn = lambda: None

    def submit(self, text, *, guesses=True, max_tokens=None, stop=(), logprobs=None, most=8):
        tokens = self.engine.tokenize(text, add_bos=False, parse_special=True)
        job = Job(
            "id",
            tokens,
            Sampling(),
            max_tokens,
            TextAssembler(stop),
            deadline=60.0,
            logprobs=logprobs,
            guessing=Guessing(self.drafter.name, most=most) if guesses else None,
            asked_at=0.0,
        )
        self.jobs.append(job)
        self.events[job] = []
        self.scheduler.submit(job)
        return job

    def take(self, turn):
        self.turns += 1
        for output in turn.outputs:
            self.events[output.job] += output.events
        for job in self.scheduler._running.values():
            assert self.engine._read.get(job.sequence, []) == job.tokens[: job.fed]
        self.on_turn()
        if all(job.ended for job in self.jobs):
            self.scheduler.stop()

    def told(self, job):
        """Return what a job's asker heard, however it was cut into pieces, and whatever was found
        in the cache.
        """
        texts = [each for each in self.events[job] if isinstance(each, TextDelta)]
        ended = [
            (each.reason, each.stop_string, each.usage.prompt_tokens, each.usage.completion_tokens)
            for each in self.events[job]
            if isinstance(each, Finished)
        ]
        tokens = [token for each in texts for token in each.tokens]
        return "".join(each.text for each in texts), tokens, ended

    def drafted(self, job):
        return self.events[job][-1].drafted


WORDS = st.sampled_from(["a ", "b ", "cat ", "dog ", "e\n", "… "])
TEXTS = st.lists(WORDS, min_size=1, max_size=30).map(lambda words: "".join(words) + "∎")
[END_OF_PROMPT] = EchoEngine(Script(), LoadSettings()).tokenize(
    "∎", add_bos=False, parse_special=True
)
ASKED = st.fixed_dictionaries(
    {
        "text": TEXTS,
        "max_tokens": st.none() | st.integers(1, 12),
        "stop": st.lists(st.sampled_from(["t d", "\n", "a b", "g"]), max_size=2),
        "logprobs": st.none() | st.integers(0, 1),
        "most": st.integers(1, 16),
    }
)


@settings(deadline=None)  # a loaded machine is slow
@given(
    asked=st.lists(ASKED, min_size=1, max_size=6),
    rights=st.lists(st.integers(0, 8), max_size=60),
    parallel=st.integers(1, 4),
    context=st.integers(40, 64),
    unified=st.booleans(),
    rows=st.sampled_from([1, 4]),
    cancels=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), max_size=3),
)
def test_an_answer_is_the_same_whatever_is_guessed(
    asked, rights, parallel, context, unified, rows, cancels
):
    def run(*, guesses):
        shape = {"parallel": parallel, "context_length": context, "unified_kv": unified}
        world = World(Telling(rights), rows=rows, **shape)
        jobs = [world.submit(guesses=guesses, **each) for each in asked]
        for after, number in cancels if guesses else []:
            if number < len(jobs):
                cancelled.add(number)
                at.setdefault(after, []).append(jobs[number])
        world.on_turn = lambda: [world.scheduler.cancel(each) for each in at.get(world.turns, [])]
        world.scheduler.run()
        return [world.told(job) for job in jobs]

    cancelled, at = set(), {}
    guessed = run(guesses=True)
    at.clear()
    plain = run(guesses=False)

    if unified and len(asked) > 1:
        return  # who is ended for want of room depends on who is how far: it ran, and that is all
    for number, (found, expected) in enumerate(zip(guessed, plain, strict=True)):
        if number not in cancelled:
            assert found == expected
        else:
            assert expected[0].startswith(found[0])


def test_right_guesses_come_in_one_step():
    world = World(Telling(), parallel=1)
    job = world.submit("a b c d e f g h i j k l ∎")

    world.scheduler.run()

    assert world.told(job)[0] == "a b c d e f g h i j k l ∎"
    assert world.engine.steps == [[13], [1], [1 + 8], [1 + 8]]
    drafted = world.drafted(job)
    assert (drafted.drafter, drafted.accepted, drafted.rejected) == ("telling", 10, 6)


def test_counts_add_up_when_an_answer_ends_within_a_guess():
    world = World(Telling(), parallel=1)
    job = world.submit("a b c d e f g h ∎", stop=["d"])

    world.scheduler.run()

    drafted = world.drafted(job)
    assert world.told(job)[0] == "a b c "
    assert (drafted.total, drafted.accepted) == (8, 2)
    assert drafted.total == drafted.accepted + drafted.rejected + drafted.ignored


def test_a_guess_that_is_too_short_is_not_checked():
    world = World(Telling([0] * 50), parallel=1)
    job = world.submit("a b c d e f ∎", most=2)
    job.guessing = replace(job.guessing, least=3)

    world.scheduler.run()

    assert {size for step in world.engine.steps[1:] for size in step} == {1}
    drafted = world.drafted(job)
    assert drafted.total == drafted.ignored > 0


@pytest.mark.parametrize("others", [0, 1])
def test_steps_with_guesses_are_filled_to_whole_rows(others):
    world = World(Telling([8, 1, 2, 8, 3]), parallel=others + 1, rows=4)
    text = "a b c d e f g h i j k l m n o p q r s t u v w x y z ∎"
    jobs = [world.submit(text, guesses=not number) for number in range(others + 1)]

    world.scheduler.run()

    assert {world.told(job)[0] for job in jobs} == {text}
    widths = [sum(step) for step in world.engine.steps if max(step) < len(text.split())]
    assert 8 in widths
    assert [each for each in widths if each > 4 and each % 4] == []
    drafted = world.drafted(jobs[0])
    assert drafted.total == drafted.accepted + drafted.rejected + drafted.ignored


def test_guesses_keep_to_the_room_of_a_step_and_are_shared_by_all():
    world = World(Telling(), parallel=4)
    for _ in range(4):
        world.submit("a b c d e f g h i j k l m n ∎", most=16)

    world.scheduler.run()

    assert {most for ask in world.drafter.asked for _, most in ask} == {4}


def test_without_room_in_memory_guesses_are_left_out_and_nobody_is_ended():
    world = World(Telling(), parallel=1)
    refused = []

    def step(feeds, bell, step=world.engine.step):
        if any(len(feed.tokens) > 1 and feed.wants > 1 for feed in feeds) and not refused:
            refused.append(feeds)
            raise Full
        return step(feeds, bell)

    world.engine.step = step
    job = world.submit("a b c d e f ∎")

    world.scheduler.run()

    assert refused
    assert world.told(job)[0] == "a b c d e f ∎"


def test_a_drafter_hears_that_an_answer_has_ended():
    world = World(Telling(), parallel=1)
    world.submit("a b ∎")

    world.scheduler.run()

    assert world.drafter.forgotten == [0]


class Machine:
    """A clock that goes as far in a step as a machine would take over it: `base`, and `per` token."""

    def __init__(self, *, base, per):
        self.now = 0.0
        self._base, self._per = base, per

    def __call__(self):
        return self.now

    def drive(self, engine):
        def step(feeds, bell, step=engine.step):
            found = step(feeds, bell)
            self.now += self._base + self._per * sum(len(feed.tokens) for feed in feeds)
            self.waits.append(self.now)
            return found

        self.waits = []
        engine.step = step


LONG = "".join(f"w{n} " for n in range(400)) + "∎"


def checked(world):
    """Return how many steps had guesses in them, per answer token."""
    return sum(max(step) > 1 for step in world.engine.steps[1:])


def test_it_stops_where_guesses_cost_more_than_they_bring():
    slow = Machine(base=0.0, per=1.0)
    world = World(Telling([1] * 1000), clock=slow, parallel=1)
    slow.drive(world.engine)
    world.submit(LONG)

    world.scheduler.run()

    assert 0 < checked(world) <= 0.15 * 400


def test_it_goes_on_where_they_pay():
    fast = Machine(base=1.0, per=0.01)
    world = World(Telling(), clock=fast, parallel=1)
    fast.drive(world.engine)
    world.submit(LONG)

    world.scheduler.run()

    assert fast.now < 0.3 * 400


def test_a_later_trial_finds_that_they_pay_by_now():
    machine = Machine(base=1.0, per=0.2)
    world = World(Telling([0] * 8), clock=machine, parallel=1)
    machine.drive(world.engine)
    world.submit(LONG)

    world.scheduler.run()

    sizes = [step[0] for step in world.engine.steps[1:]]
    rested = sizes.index(1, 9)
    assert set(sizes[rested : rested + 12]) == {1}
    assert 9 in sizes[rested + 12 :]


def test_who_does_not_guess_loses_no_more_than_a_part():
    machine = Machine(base=1.0, per=1.0)
    world = World(Telling(), clock=machine, parallel=2)
    machine.drive(world.engine)
    world.submit("".join(f"w{n} " for n in range(100)) + "∎", guesses=False)
    world.submit("".join(f"v{n} " for n in range(400)) + "∎", most=16)

    world.scheduler.run()

    together = [step for step in world.engine.steps if len(step) == 2]
    assert any(step[1] > 1 for step in together[1:])
    spent = sum(1.0 + sum(step) for step in together[1:])
    assert spent <= (1 + TAKEN_FROM_OTHERS) * 3.0 * len(together) + 17


def test_prompt_lookup_answers_a_repetition_in_few_steps():
    world = World(PromptLookup(), parallel=1, physical_batch_size=512)
    text = "one two three four five six " * 12 + "∎"
    job = world.submit(text, most=16)
    other = world.submit(text, guesses=False)

    world.scheduler.run()

    assert world.told(job)[0] == world.told(other)[0] == text
    assert world.drafted(job).drafter == PROMPT_LOOKUP
    assert world.drafted(job).accepted > 50


def asked_of(load=LoadSettings(), *, can_cut=True, **asked):  # noqa: B008 - frozen
    return guessing_of(Drafting(**asked), load, can_cut=can_cut)


def test_nothing_is_guessed_unless_the_instance_or_the_call_says_so():
    assert asked_of() is None
    assert asked_of(LoadSettings(drafter=PROMPT_LOOKUP), draft=False) is None
    assert asked_of(LoadSettings(drafter=PROMPT_LOOKUP)).drafter == PROMPT_LOOKUP
    assert asked_of(draft=True, model=PROMPT_LOOKUP).drafter == PROMPT_LOOKUP


def test_a_call_s_limits_win_over_the_instance_s():
    load = LoadSettings(drafter="acme/small", draft_most=5, draft_least=2)

    own, asked = asked_of(load), asked_of(load, most=9, least_probability=0.5)

    assert (own.most, own.least, own.least_probability) == (5, 2, 0.0)
    assert (asked.most, asked.least, asked.least_probability) == (9, 2, 0.5)
    assert asked_of(load, model=PROMPT_LOOKUP).most == 15


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"model": "acme/other"}, "no draft model 'acme/other' loaded"),
        ({"can_cut": False}, "keeps a state"),
    ],
)
def test_a_drafter_that_cannot_be_had_is_refused_by_name(asked, told):
    with pytest.raises(BadRequest, match=told) as refused:
        asked_of(LoadSettings(drafter="acme/small"), **asked)

    assert refused.value.param == "draft_model"


def test_nothing_is_guessed_in_a_thought_that_may_be_cut_short():
    def run(*, guesses):
        world = World(Telling(), parallel=1)
        job = world.submit("a b c d </think> e f g h i j k ∎", guesses=guesses)
        [end] = world.engine.tokenize("</think>", add_bos=False, parse_special=True)
        thought = Reading(thought=Thought("plain", "<think>", "</think>", ""), inside=True)
        job.reader = AnswerReader(thought, budget=Budget(4, (end,)))
        world.scheduler.run()
        heard = [each for each in world.events[job] if isinstance(each, TextDelta | ReasoningDelta)]
        return world, "".join(each.text for each in heard)

    plain, guessed = run(guesses=False), run(guesses=True)

    assert guessed[1] == plain[1]
    assert guessed[0].engine.steps[:5] == [[13], [1], [1], [1], [1]]
    assert len(guessed[0].engine.steps) < len(plain[0].engine.steps)
