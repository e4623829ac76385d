"""Pictures in prompts: each is a step of its own, others go on between, known ones are not read twice."""

from itertools import pairwise

import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings, RunnerSpec, WeightFile
from lmctl.base.talk import Chat, Image, Message, Prompt, Sampling, Text
from lmctl.runner import images
from lmctl.runner.echo import Script
from lmctl.runner.engines import open_engine
from lmctl.runner.job import Job
from lmctl.runner.port import LoadFailed
from lmctl.runner.text import TextAssembler
from tests.support.scheduling import Watched, World


class Looking(Watched):
    """Remembers pictures among the steps, by their sequence."""

    def look(self, sequence, picture, bell):
        self.steps.append(sequence)
        super().look(sequence, picture, bell)


def world(**settings):
    return World(Script(sees=True, chat_template=None), engine=Looking, **settings)


def submit(made, *parts):
    """Ask with a raw prompt of words and pictures, given by their bytes."""
    content = tuple(Text(part) if isinstance(part, str) else Image(part) for part in parts)
    asked = images.shown(Chat((Message("user", content),)))
    prompt = asked.given.messages[0].content
    read = images.read(made.engine, prompt, asked)
    job = Job(
        "id", read.tokens, Sampling(), None, TextAssembler(), 60.0,
        pictures=read.pictures, asked_at=0.0,
    )  # fmt: skip
    made.open.add(job)
    made.scheduler.submit(job)
    return job


def pictures_read(made):
    return sum(isinstance(step, int) for step in made.engine.steps)


def test_a_picture_is_read_where_it_stands():
    made = world()
    job = submit(made, "one ", b"12345", " two ", b"1", b"22", " three")
    made.scheduler.run()
    assert "one [5 bytes]  two [1 bytes] [2 bytes]  three" in made.text(job)
    assert pictures_read(made) == 3
    assert made.usage(job).prompt_tokens == len(job.prompt)


def test_others_go_on_between_two_pictures():
    made = world(parallel=2)
    other = made.submit("a " * 40)
    shown = submit(made, "x ", *([b"1"] * 5), " y")
    made.scheduler.run()
    looks = [place for place, step in enumerate(made.engine.steps) if step == 1]
    assert len(looks) == 5
    assert all(after - before > 1 for before, after in pairwise(looks))
    assert made.text(other) == "a " * 40
    assert "y" in made.text(shown)


def test_a_known_picture_is_not_read_again_and_another_in_its_place_is():
    made = world(parallel=1)
    first = submit(made, "look ", b"1", " say")
    made.scheduler.run()
    made.restart()
    same = submit(made, "look ", b"1", " say more")
    made.scheduler.run()
    made.restart()
    looks = pictures_read(made)
    other = submit(made, "look ", b"2", " say")
    made.scheduler.run()
    assert looks == 1
    assert pictures_read(made) == 2
    assert made.usage(same).cached_tokens > first.prompt.index(
        next(t for t in first.prompt if t < 0)
    )
    assert made.usage(other).cached_tokens < len(first.prompt) - 2


def test_words_that_look_like_our_mark_are_words():
    made = world()
    asked = images.shown(Prompt(f"a <image {'0' * 32}> b"))
    assert images.read(made.engine, asked.given.text, asked).pictures == {}


def test_a_template_that_leaves_images_out_is_told():
    made = world()
    asked = images.shown(Chat((Message("user", (Image(b"1"),)),)))
    with pytest.raises(BadRequest, match="leaves images out"):
        images.read(made.engine, "nothing of it", asked)
    with pytest.raises(BadRequest, match="nothing follows"):
        images.read(made.engine, asked.mark, asked)


def file(name):
    return WeightFile(name, f"/nowhere/{name}", "0" * 64, 1, 1, 1)


@pytest.mark.parametrize(
    "names", [("mmproj-a.gguf",), ("a.gguf", "mmproj-a.gguf", "mmproj-b.gguf")]
)
def test_weights_are_a_model_and_one_projector_at_most(names):
    files = tuple(file(name) for name in names)
    spec = RunnerSpec("x", "u", "llama.cpp", "m", "d", files, LoadSettings(), "/s")
    with pytest.raises(LoadFailed, match="one projector at most"):
        open_engine(spec, progress=lambda _share: True)
