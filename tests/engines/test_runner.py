"""The engine in its runner: a process, a socket, several askers at once."""

import asyncio
import time

import psutil
import pytest

from lmctl.adapters import runner_client
from lmctl.base.errors import BadRequest
from lmctl.base.talk import Call, Prompt, Sampling
from tests.functional.runner.boxes import answer, chat

pytestmark = pytest.mark.engine

GREEDY = Sampling(temperature=0)
REPEATING = Sampling(temperature=0, repeat_penalty=None)
QUESTION = "What is the capital of France?"


async def test_greedy_text_is_the_same_alone_and_in_a_batch_of_four(box):
    alone = await answer(box, chat(QUESTION, sampling=GREEDY, max_tokens=24))
    others = [QUESTION, "Write a poem.", QUESTION, "Count to ten."]

    together = await asyncio.gather(
        *[answer(box, chat(text, sampling=GREEDY, max_tokens=24)) for text in others]
    )

    assert alone.end.usage.completion_tokens == 24
    assert together[0].text == together[2].text == alone.text


async def test_the_model_ends_its_answer_by_itself(box):
    told = await answer(box, chat("Say hi.", sampling=GREEDY, max_tokens=200))

    assert told.end.reason == "stop"
    assert "<|im_end|>" not in told.text


async def test_a_stop_string_ends_the_text_before_it(box):
    whole = await answer(box, chat("Count to ten.", sampling=GREEDY, max_tokens=32))
    stop = whole.text[10:16]

    told = await answer(box, chat("Count to ten.", sampling=GREEDY, max_tokens=32, stop=(stop,)))

    assert told.text == whole.text[: whole.text.index(stop)]
    assert (told.end.reason, told.end.stop_string) == ("stop", stop)


async def test_characters_of_several_tokens_arrive_whole_or_not_at_all(box):
    """Every character takes two tokens, and the limit cuts the last one in half."""
    prompt = Prompt("こんにちは、" * 6)

    told = await answer(box, Call("1", prompt, sampling=REPEATING, max_tokens=24))

    assert told.end.usage.completion_tokens == 24
    assert told.text.startswith("こん")
    assert all("\ufffd" not in delta for delta in told.deltas)


async def test_hanging_up_in_the_middle_of_a_long_prompt_frees_the_slot_at_once(box):
    """Reading this prompt takes seconds; the bell cuts the step short."""
    asking = asyncio.create_task(answer(box, Call("1", Prompt("word " * 1000))))
    await box.until(lambda status: status.running == 1)

    asking.cancel()
    begin = time.monotonic()
    await asyncio.gather(asking, return_exceptions=True)
    await box.until(lambda status: status.running == 0)

    assert time.monotonic() - begin < 1.5


async def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(box):
    with pytest.raises(BadRequest, match=r"prompt has \d+ tokens and the context length is 1024"):
        await answer(box, Call("1", Prompt("word " * 3000), overflow="stopAtLimit"))


async def test_the_context_is_used_to_its_last_token(box):
    prompt = Prompt("word " * 1016)

    told = await answer(box, Call("1", prompt, sampling=GREEDY, overflow="stopAtLimit"))

    usage = told.end.usage
    assert (told.end.reason, usage.prompt_tokens + usage.completion_tokens) == ("length", 1024)


async def test_a_runner_that_ends_gives_its_memory_back(box):
    status = await runner_client.status(box.socket)
    assert status.memory > 100_000_000

    await runner_client.drain(box.socket, 5)

    assert await box.exit_code() == 0
    assert not psutil.pid_exists(status.pid)


async def test_nothing_of_llama_cpp_s_chatter_reaches_the_log(box):
    await answer(box, chat("hi", sampling=GREEDY, max_tokens=2))

    lines = (box.folder / "log").read_text().splitlines()

    assert not [line for line in lines if "llama_" in line or "ggml" in line]
