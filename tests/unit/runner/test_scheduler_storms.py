"""Storms of random arrivals, cancels, interruptions and crashes over the echo engine.

After every step each sequence holds exactly what it should; in the end everybody was answered once,
with their own words, and nothing is left. `LMCTL_STORMS` asks for more storms than the usual few.
"""

import os
import random

import pytest

from lmctl.base.errors import Busy, EngineFailed
from lmctl.base.spec import PROMPT_LOOKUP, LoadSettings
from lmctl.base.talk import Finished, Sampling, Started, TextDelta
from lmctl.runner.echo import EchoEngine, Script
from lmctl.runner.guessing import Guessing
from lmctl.runner.job import Job
from lmctl.runner.port import Full, Interrupted
from lmctl.runner.prompt_lookup import PromptLookup
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler

STORMS = int(os.environ.get("LMCTL_STORMS", "120"))
ARRIVALS = 50
STARTS = ["".join(f"{name}{n} " for n in range(40)) for name in "ab"]


class Weather(EchoEngine):
    """An echo whose steps are broken off, find no room or fail, as luck will have it."""

    def __init__(self, luck, storm):
        self.luck, self.storm = luck, storm
        shared = luck.random() < 0.3
        settings = LoadSettings(
            context_length=luck.choice([150, 400]) if shared else luck.choice([70, 90]),
            parallel=luck.randint(1, 6),
            physical_batch_size=luck.choice([8, 32, 64]),
            unified_kv=shared,
        )
        super().__init__(Script(), settings)
        self.window = luck.choice([None, None, 12, 30])
        chances = {name: luck.random() < 0.7 for name in ("can_copy", "can_cut", "can_shift")}
        names = {name: getattr(self.facts, name) for name in self.facts.__slots__}
        self.facts = type(self.facts)(**names | chances)
        self.fails = luck.random() < 0.3

    def cuttable(self, sequence):
        read = len(self._read[sequence])
        if not self.facts.can_cut:
            return read
        return 0 if self.window is None else max(0, read - self.window)

    def cut(self, sequence, begin):
        assert begin == 0 or begin >= self.cuttable(sequence)
        super().cut(sequence, begin)

    def copy(self, source, target):
        assert self.facts.can_copy
        assert not self._read.get(target)
        super().copy(source, target)

    def shift(self, sequence, *, keep, discard):
        assert self.facts.can_shift
        super().shift(sequence, keep=keep, discard=discard)

    def begin(self, sequence, sampling, prompt, **more):
        self.storm.begun.append(tuple(prompt))
        super().begin(sequence, sampling, prompt, **more)

    def step(self, feeds, bell):
        self.storm.happen()
        self.storm.check(feeds)
        if self.luck.random() < 0.05:
            raise Interrupted
        if self.luck.random() < 0.01:
            raise Full
        if self.fails and self.luck.random() < 0.005:
            raise EngineFailed("struck by lightning")
        return super().step(feeds, bell)


class Storm:
    """Some dozens of askers, and what they heard."""

    def __init__(self, seed):
        self.luck = random.Random(seed)
        self.now = 0.0
        self.jobs, self.cancelled = [], set()
        self.begun, self.told, self.ends, self.counted = [], {}, {}, 0
        self.engine = Weather(self.luck, self)
        drafters = (PromptLookup(),)
        self.scheduler = Scheduler(self.engine, self.take, clock=self.clock, drafters=drafters)

    def run(self):
        """Let it rage until all have come and gone; say whether the engine survived."""
        self.arrive()
        try:
            self.scheduler.run()
        except EngineFailed:
            return False
        return True

    def clock(self):
        """Time passes whenever somebody looks."""
        self.now += 0.001
        return self.now

    def arrive(self):
        luck = self.luck
        start = luck.choice(STARTS)
        size = luck.randint(1, 60)
        text = start[: 4 * size] if luck.random() < 0.7 else f"x{len(self.jobs)} " * size
        tokens = self.engine.tokenize(f"{text}j{len(self.jobs)} ", add_bos=True, parse_special=True)
        tokens = tokens[-(self.engine.facts.context_length - 2) :]
        job = Job(
            str(len(self.jobs)),
            tokens,
            Sampling(),
            luck.choice([None, 1, 9]),
            TextAssembler(),
            deadline=self.now + luck.choice([2.0, 1e9]),
            keep=luck.choice([None, 1, len(tokens) // 2 or 1]),
            progress=luck.random() < 0.2,
            guessing=self.guessing(),
            asked_at=self.now,
        )
        self.jobs.append(job)
        self.told[job], self.ends[job] = [], []
        self.scheduler.submit(job)

    def guessing(self):
        if not self.engine.facts.can_cut or self.luck.random() < 0.5:
            return None
        return Guessing(PROMPT_LOOKUP, most=self.luck.choice([1, 4, 8]))

    def happen(self):
        """Let time pass, askers come and go."""
        self.now += self.luck.random()
        while len(self.jobs) < ARRIVALS and self.luck.random() < 0.3:
            self.arrive()
        if self.luck.random() < 0.05:
            gone = self.luck.choice(self.jobs)
            if not gone.ended:
                self.cancelled.add(gone)
                self.scheduler.cancel(gone)

    def take(self, turn):
        self.counted += turn.tokens
        for output in turn.outputs:
            self.told[output.job] += output.events
            if output.ended:
                self.ends[output.job].append(output.error)
        if all(self.ends.values()):
            if len(self.jobs) < ARRIVALS:
                self.arrive()
            else:
                self.scheduler.stop()

    def check(self, feeds):
        """Every sequence holds what it should, and nobody who decodes is left out of a step."""
        running, cache = self.scheduler._running, self.scheduler._cache
        holds = self.engine._read
        fed = {feed.sequence for feed in feeds}
        for sequence, job in running.items():
            assert holds[sequence] == job.tokens[: job.fed]
            assert job.fresh or not job.decoding or sequence in fed
        for sequence, tokens in cache._resting.items():
            assert holds[sequence] == tokens
            assert sequence not in running
        places = [*running, *cache._resting, *cache._empty]
        assert sorted(places) == list(range(self.engine.facts.slots))
        assert holds.keys() == running.keys() | cache._resting.keys()
        assert feeds  # somebody gets on
        most = max(self.engine.facts.step_tokens, len(running))
        assert sum(len(feed.tokens) for feed in feeds) <= most
        assert sum(feed.wants for feed in feeds) <= self.engine.facts.most_wanted


def heard(storm, job):
    return "".join(each.text for each in storm.told[job] if isinstance(each, TextDelta))


def words(storm, job):
    return b"".join(map(storm.engine.piece, job.prompt)).decode().removeprefix("<|begin|>")


def assert_answered(storm, job):
    """A job that was not cancelled heard its own words, to the end or up to its limit."""
    if storm.ends[job] != [None]:
        assert isinstance(storm.ends[job][0], Busy)
        assert storm.told[job] == []
        return
    last = storm.told[job][-1]
    assert isinstance(last, Finished)
    assert sum(isinstance(each, Finished | Started) for each in storm.told[job]) <= 2
    said, expected = heard(storm, job), words(storm, job)
    if last.reason == "stop":
        assert said == expected
    else:
        assert expected.startswith(said)
    assert last.usage.cached_tokens < last.usage.prompt_tokens


@pytest.mark.parametrize("tenth", range(10))
def test_whatever_happens_everybody_gets_their_own_answer_once(tenth):
    cached = guessed = 0
    for seed in range(tenth, STORMS, 10):
        storm = Storm(seed)
        survived = storm.run()
        for job in storm.jobs:
            assert len(storm.ends[job]) == (1 if survived else len(storm.ends[job]) and 1), seed
            if job in storm.cancelled or not storm.ends[job]:
                assert words(storm, job).startswith(heard(storm, job)), seed
            else:
                assert_answered(storm, job)
        if survived:
            assert storm.counted == sum(job.produced for job in storm.jobs), seed
            assert_nothing_is_left(storm)
        assert_served_in_order(storm)
        cached += sum(job.cached for job in storm.jobs)
        guessed += sum(job.guessing.accepted for job in storm.jobs if job.guessing)
    assert cached  # the storms do meet the cache
    assert guessed  # and guesses


def assert_nothing_is_left(storm):
    while storm.scheduler._cache.evict():
        pass
    assert storm.engine._read == storm.engine._choosing == {}
    assert storm.scheduler._running == {}


def assert_served_in_order(storm):
    """Who came first began first."""
    order = {tuple(job.prompt): number for number, job in enumerate(storm.jobs)}
    numbers = [order[prompt] for prompt in storm.begun]
    assert numbers == sorted(numbers)
