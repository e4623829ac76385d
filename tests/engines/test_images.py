"""A picture is read like the token the eye sees in it, among other requests, and not twice."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lmctl.adapters import runner_client
from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Chat, Finished, Image, Message, Sampling, Text
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.port import Bell, Engine, Feed, LoadFailed, Picture
from tests.functional.runner.boxes import Box, answer, start
from tests.support import tiny_llama
from tests.support.pictures import BLUE, GREEN, RED, png

GREEDY = Sampling(temperature=0, repeat_penalty=None)
LOAD = LoadSettings(context_length=256, parallel=2)
COLOURS = ((RED, b"r"), (GREEN, b"g"), (BLUE, b"b"))


@pytest.fixture(scope="module")
def files() -> Iterator[tuple[Path, Path]]:
    with TemporaryDirectory(prefix="lm") as folder:
        model = tiny_llama.write(Path(folder, "tiny.gguf"))
        yield model, tiny_llama.write_eye(Path(folder, "mmproj-tiny.gguf"))


@pytest.fixture(scope="module")
def engine(files: tuple[Path, Path]) -> Iterator[Engine]:
    model, eye = files
    found = llamacpp.load([model], LOAD, progress=lambda _share: True, projector=eye)
    yield found
    found.close()


def said(engine: Engine, parts: list[Picture | list[int]], *, count: int = 12) -> list[int]:
    """Return what a sequence says after these parts of a prompt."""
    words = [token for part in parts if isinstance(part, list) for token in part]
    engine.begin(0, GREEDY, words)
    for part in parts[:-1]:
        if isinstance(part, Picture):
            engine.look(0, part, Bell())
        else:
            engine.step([Feed(0, part, wants=0)], Bell())
    tokens, found = parts[-1], []
    for _ in range(count):
        [[sampled]] = engine.step([Feed(0, tokens, wants=1)], Bell())
        found.append(sampled.token)
        tokens = [sampled.token]
    engine.forget(0)
    return found


def test_a_picture_is_what_the_eye_sees_in_it(engine):
    assert engine.facts.vision
    before, after = [list(b"look: "), list(b" what is it?")]
    answers = set()
    for colour, letter in COLOURS:
        seen = [part for part in engine.see(Image(png(colour))) if part]
        [picture] = [part for part in seen if isinstance(part, Picture)]
        assert picture.span == 1
        told = [list(letter) if isinstance(part, Picture) else part for part in seen]
        found = said(engine, [before, *seen, after])
        assert found == said(engine, [before, *told, after])
        answers.add(tuple(found))
    assert len(answers) == len(COLOURS)


def test_the_same_picture_has_the_same_mark_and_another_has_another(engine):
    marks = [
        part.mark
        for data in (png(RED), png(RED), png(BLUE))
        for part in engine.see(Image(data))
        if isinstance(part, Picture)
    ]
    assert marks[0] == marks[1] != marks[2]
    assert max(marks) < 0


def test_bytes_that_are_no_picture_are_refused(engine):
    with pytest.raises(BadRequest, match="cannot be decoded"):
        engine.see(Image(png()[:40]))


def test_a_projector_that_is_none_does_not_load(files, tmp_path):
    broken = tmp_path / "mmproj-broken.gguf"
    broken.write_bytes(files[1].read_bytes()[:100])
    with pytest.raises(LoadFailed):
        llamacpp.load([files[0]], LOAD, progress=lambda _share: True, projector=broken)


@pytest.fixture
async def box(files):
    with TemporaryDirectory(prefix="lm") as folder:
        found = start(Path(folder), *files, engine="llama.cpp", load=LOAD)
        try:
            yield await found.ready()
        finally:
            await found.end()


def shown(*pictures: bytes, number: int = 0) -> Call:
    images = tuple(Image(each) for each in pictures)
    content = (Text("look "), *images, Text(" say"))
    return Call(f"call-{number}", Chat((Message("user", content),)), GREEDY, max_tokens=8)


async def test_many_pictures_at_once_are_answered_as_each_alone_and_a_known_one_is_cached(box: Box):
    calls = [shown(png(colour), number=n) for n, (colour, _) in enumerate(COLOURS)]
    alone = [(await answer(box, call)).text for call in calls]
    together = await asyncio.gather(*(answer(box, call) for call in calls * 2))
    assert [each.text for each in together] == alone * 2
    again = [await answer(box, calls[0]) for _ in range(2)]
    assert [each.text for each in again] == alone[:1] * 2
    usage = again[1].end.usage
    assert usage.cached_tokens > usage.prompt_tokens - 6


async def test_two_pictures_are_counted_and_a_chat_goes_on_behind_them(box: Box):
    call = shown(png(RED), png(GREEN))
    first = await answer(box, call)
    assert await runner_client.count(box.socket, call.input) == first.end.usage.prompt_tokens
    longer = Chat(
        (*call.input.messages, Message("assistant", first.text), Message("user", "and now?"))
    )
    followed = await answer(box, Call("call-2", longer, GREEDY, max_tokens=4))
    assert isinstance(followed.end, Finished)
    assert followed.end.usage.cached_tokens > first.end.usage.prompt_tokens - 6
