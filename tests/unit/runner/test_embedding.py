"""The embedding scheduler over the echo engine, on the test's own thread."""

import math
import struct

import pytest

from lmctl.base.errors import BadRequest, Busy
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Embedded, Finished, Prompt, Texts
from lmctl.planning.embedding import TOGETHER
from lmctl.runner.echo import BOS, Script
from lmctl.runner.echo_embedding import EchoEmbedder
from lmctl.runner.embedding import EmbeddingScheduler
from lmctl.runner.embedding_texts import prepare_texts
from lmctl.runner.port import Interrupted

STEP = 16


class Watched(EchoEmbedder):
    """Remembers what each step computed."""

    def __init__(self, **script):
        load = LoadSettings(context_length=STEP, physical_batch_size=STEP)
        super().__init__(Script(embeds=8, **script), load)
        self.steps, self.tokens = [], []
        self.on_step = lambda: None

    def embed(self, texts, bell):
        self.on_step()
        if bell.is_set():
            raise Interrupted
        said = [b"".join(map(self._words.piece, text)).decode() for text in texts]
        self.steps.append([each.removeprefix(BOS) for each in said])
        self.tokens.append(sum(map(len, texts)))
        return super().embed(texts, bell)


class World:
    """A scheduler that stops by itself when every job has ended."""

    def __init__(self, clock=lambda: 0.0, **script):
        self.engine = Watched(**script)
        self.scheduler = EmbeddingScheduler(self.engine, self.take, clock=clock)
        self.turns = []
        self.open = set()

    def take(self, turn):
        self.turns.append(turn)
        self.open -= {output.job for output in turn.outputs if output.ended}
        if not self.open:
            self.scheduler.stop()

    def submit(self, *texts, deadline=60.0, **asked):
        call = Call("id", Texts(texts, **asked))
        job = prepare_texts(self.engine, call, deadline=deadline)
        job.asked_at = 0.0
        self.open.add(job)
        self.scheduler.submit(job)
        return job

    def told(self, job):
        outputs = [each for turn in self.turns for each in turn.outputs if each.job is job]
        return [event for output in outputs for event in output.events]

    def vectors(self, job):
        events = [each for each in self.told(job) if isinstance(each, Embedded)]
        return [
            struct.unpack(f"<{each.dimensions}f", vector)
            for each in events
            for vector in each.vectors
        ]


def alone(text, **asked):
    world = World()
    job = world.submit(text, **asked)
    world.scheduler.run()
    return world.vectors(job)[0]


def words(count, word="w"):
    return " ".join([word] * count)


def test_every_text_gets_its_own_vector_in_order():
    world = World()
    job = world.submit("a b", "c", "a b")

    world.scheduler.run()

    assert world.vectors(job) == [alone("a b"), alone("c"), alone("a b")]
    assert math.hypot(*alone("a b")) == pytest.approx(1)
    finished = world.told(job)[-1]
    assert isinstance(finished, Finished)
    assert (finished.usage.prompt_tokens, finished.usage.completion_tokens) == (5 + 3, 0)


def test_one_text_does_not_wait_for_a_thousand():
    world = World()
    many = world.submit(*["m"] * 1000)
    one = world.submit("o")

    world.scheduler.run()

    assert "o" in world.engine.steps[0]
    assert len(world.vectors(many)) == 1000
    assert len(world.vectors(one)) == 1


def test_a_step_holds_what_the_engine_takes_and_no_text_is_split():
    world = World()
    jobs = [world.submit(*[words(size)] * 3) for size in (1, 6, 14, 9)]

    world.scheduler.run()

    assert max(world.engine.tokens) <= STEP
    assert all(0 < len(step) <= TOGETHER for step in world.engine.steps)
    for job, size in zip(jobs, (1, 6, 14, 9), strict=True):
        assert world.vectors(job) == [alone(words(size))] * 3


def test_a_long_text_is_not_passed_over_by_short_ones_for_ever():
    world = World()
    world.submit(*["s"] * 500)
    long = world.submit(words(STEP - 1, "long"))

    world.scheduler.run()

    number = next(n for n, step in enumerate(world.engine.steps) if "long" in step[0])
    assert number <= 1
    assert len(world.vectors(long)) == 1


def test_a_cancelled_request_is_out_at_once_and_the_step_is_done_again_for_the_others():
    world = World()
    gone, stays = world.submit(*["g"] * 100), world.submit("s")
    world.engine.on_step = lambda: gone.ended or world.scheduler.cancel(gone)

    world.scheduler.run()

    assert world.engine.steps == [["s"]]
    assert world.told(gone) == []
    assert world.vectors(stays) == [alone("s")]


def test_whoever_finds_no_place_in_time_is_told():
    world = World(clock=lambda: 10.0)
    jobs = [world.submit("a", deadline=60.0) for _ in range(TOGETHER)]
    late = world.submit("b", deadline=5.0)
    world.scheduler.run()
    assert all(world.vectors(job) for job in jobs)
    ends = {o.job: o.error for turn in world.turns for o in turn.outputs if o.ended}
    assert ends[late] is None  # there was room before anybody asked how late it is

    class Full(EmbeddingScheduler):
        def _has_room(self):
            return False

    world.scheduler = Full(world.engine, world.take, clock=lambda: 10.0)
    late = world.submit("b", deadline=5.0)
    world.scheduler.run()
    [end] = [o for turn in world.turns for o in turn.outputs if o.job is late]
    assert isinstance(end.error, Busy)


def test_fewer_dimensions_are_the_first_ones_at_length_one():
    whole, short = alone("a b"), alone("a b", dimensions=3)
    scale = math.hypot(*whole[:3])
    assert short == pytest.approx([each / scale for each in whole[:3]])
    assert alone("a b", dimensions=8) == whole


def test_a_long_text_is_cut_to_what_the_model_reads():
    assert alone(words(50)) == alone(words(STEP))


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (Texts(()), "input"),
        (Texts(("a", ())), "input"),
        (Texts(((-1,),)), "input"),
        (Texts(((2**31,),)), "input"),
        (Texts(("a",), dimensions=0), "dimensions"),
        (Texts(("a",), dimensions=9), "dimensions"),
        (Prompt("a"), "model"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_name(asked, field):
    with pytest.raises(BadRequest) as told:
        prepare_texts(Watched(), Call("id", asked), deadline=1.0)
    assert told.value.param == field
