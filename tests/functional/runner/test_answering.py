import asyncio
from contextlib import aclosing

import pytest

from lmctl.adapters import runner_client
from lmctl.base.errors import BadRequest, EngineFailed, NotReady, Unreachable
from lmctl.base.spec import LoadSettings, Phase
from lmctl.base.talk import Call, Prompt, Sampling, Started, TextDelta, Usage
from lmctl.runner import wire
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import PATIENCE, answer, chat


async def test_an_answer_is_told_as_started_deltas_and_finished(echo):
    box = await echo(Script(token_seconds=0.1)).ready()

    told = await answer(box, chat("one two three"))

    assert isinstance(told.events[0], Started)
    assert told.text == "one two three"
    assert len(told.deltas) > 1  # it streams, though a slow machine may join some
    assert told.end.reason == "stop"
    assert told.end.usage == Usage(prompt_tokens=told.events[0].prompt_tokens, completion_tokens=3)


async def test_max_tokens_ends_an_answer_with_length_and_counts_exactly(echo):
    box = await echo(Script(reply="a b c d")).ready()

    told = await answer(box, chat("?", max_tokens=2))

    assert (told.text, told.end.reason, told.end.usage.completion_tokens) == ("a b ", "length", 2)


async def test_a_stop_string_across_tokens_ends_the_answer_and_does_not_leak(echo):
    box = await echo(Script(reply="hello END of it", bytes_per_token=1)).ready()

    told = await answer(box, chat("?", stop=("ND of",)))

    assert (told.text, told.end.reason, told.end.stop_string) == ("hello E", "stop", "ND of")


async def test_characters_are_never_cut(echo):
    box = await echo(Script(reply="naïve 你好 🙂", bytes_per_token=1)).ready()

    told = await answer(box, chat("?"))

    assert told.text == "naïve 你好 🙂"
    assert all("\ufffd" not in delta for delta in told.deltas)


async def test_an_answer_ends_with_length_when_the_context_is_full(echo):
    script = Script(reply="word " * 50, context_length=12)
    box = await echo(script).ready()

    told = await answer(box, Call("1", Prompt("a b c d"), overflow="stopAtLimit"))

    assert (told.end.reason, told.end.context_full) == ("length", True)
    assert told.end.usage.prompt_tokens + told.end.usage.completion_tokens == 12


async def test_a_prompt_may_be_tokens_that_the_model_has(echo):
    box = await echo(Script(bytes_per_token=1)).ready()
    tokens = tuple(256 + byte for byte in b"go on")

    told = await answer(box, Call("1", Prompt(tokens=tokens)))

    assert told.text == "go on"
    with pytest.raises(BadRequest, match="-1 is no token of this model"):
        await answer(box, Call("2", Prompt(tokens=(300, -1))))


async def test_an_answer_that_may_drop_its_middle_goes_on(echo):
    box = await echo(Script(reply="word " * 50, context_length=12)).ready()

    told = await answer(box, Call("1", Prompt("a b c d")))

    assert (told.end.reason, told.end.usage.completion_tokens) == ("stop", 50)


async def test_a_prompt_that_fills_the_context_is_refused_with_both_numbers(echo):
    box = await echo(Script(context_length=8)).ready()

    with pytest.raises(BadRequest, match=r"prompt has 21 tokens .* context length is 8") as caught:
        await answer(box, Call("1", Prompt("word " * 20), overflow="stopAtLimit"))

    assert caught.value.param == "prompt"
    assert (await runner_client.status(box.socket)).queued == 0


@pytest.mark.parametrize(
    ("call", "param"),
    [
        pytest.param(Call("1", Prompt("hi"), max_tokens=0), "max_tokens", id="no tokens"),
        pytest.param(
            Call("1", Prompt("hi"), sampling=Sampling(logit_bias=((-1, 1.0),))),
            "logit_bias",
            id="bias",
        ),
    ],
)
async def test_a_call_no_engine_could_answer_is_refused_naming_the_field(echo, call, param):
    box = await echo().ready()

    with pytest.raises(BadRequest) as caught:
        await answer(box, call)

    assert caught.value.param == param


async def test_a_model_without_template_refuses_a_chat_and_takes_a_prompt(echo):
    box = await echo(Script(chat_template=None)).ready()

    with pytest.raises(BadRequest, match="no chat template") as caught:
        await answer(box, chat("hi"))

    assert caught.value.hint
    assert (await answer(box, Call("1", Prompt("hi")))).text == "hi"


async def test_an_instance_s_own_template_replaces_the_model_s(echo):
    load = LoadSettings(chat_template="<|user|>replaced{{ eos_token }}")
    box = await echo(load=load).ready()

    assert (await answer(box, chat("hi"))).text == "replaced"


async def test_asking_while_loading_is_not_ready_and_worth_another_try(echo):
    box = echo(Script(load_seconds=60))
    await box.until(lambda status: status.phase is Phase.LOADING)

    with pytest.raises(NotReady) as caught:
        await answer(box, chat("hi"))

    assert caught.value.retry_after > 0


async def test_loading_can_be_watched_from_the_first_percent_to_ready(echo):
    box = echo(Script(load_seconds=0.5))
    await box.until(lambda status: status.phase is Phase.LOADING)
    seen = []
    async with aclosing(runner_client.watch(box.socket)) as reports:
        async for status in reports:
            seen.append(status)
            if status.phase is Phase.READY:
                break

    shares = [status.progress for status in seen]
    assert shares == sorted(shares)
    assert len({share for share in shares if 0 < share < 1}) >= 2
    assert seen[-1].weights == (box.spec.weights[0].sha256,)
    assert seen[-1].spec_digest == "digest-1"


async def test_no_runner_at_the_socket_is_unreachable(tmp_path):
    with pytest.raises(Unreachable):
        await runner_client.status(str(tmp_path / "none"))
    with pytest.raises(Unreachable):
        await anext(runner_client.ask(str(tmp_path / "none"), chat("hi")))


async def test_nonsense_on_the_socket_is_told_and_hurts_nobody(echo):
    box = await echo().ready()
    reader, writer = await asyncio.open_unix_connection(box.socket)
    writer.write(b"\x00\x00\x00\x03abc")
    told = await wire.read_answer(reader)
    writer.close()

    assert isinstance(told, wire.Trouble)
    assert told.kind == "bad_request"
    assert (await answer(box, chat("still here"))).text == "still here"


async def test_a_reader_who_stalls_loses_nothing_and_holds_up_nobody(echo):
    """Far more than the socket's buffers hold is made while nobody reads."""
    script = Script(reply="x" * 31 + " ", context_length=100_000)
    script = Script(reply=(script.reply or "") * 40_000, context_length=100_000)
    box = await echo(script).ready()
    reader, writer = await asyncio.open_unix_connection(box.socket)
    writer.write(wire.frame(wire.Ask(chat("?"))))

    await box.until(lambda status: status.requests == 1 and status.running == 0 == status.queued)
    other = await answer(box, chat("?", max_tokens=3))
    text = ""
    async with asyncio.timeout(PATIENCE):
        while (told := await wire.read_answer(reader)) is not None:
            text += told.text if isinstance(told, TextDelta) else ""
    writer.close()

    assert other.end.usage.completion_tokens == 3
    assert text == script.reply


async def test_a_runner_killed_in_mid_answer_is_an_engine_failure(echo):
    box = await echo(Script(reply="a b c d e f", token_seconds=0.05, crash_after_tokens=3)).ready()

    with pytest.raises(EngineFailed, match="died while answering"):
        await answer(box, chat("?"))

    assert await box.exit_code() == -9


async def test_how_sure_it_is_of_a_long_word_can_be_told(echo):
    box = await echo(Script()).ready()

    told = await answer(box, chat("x" * 40, logprobs=0))

    [sure] = [each for event in told.events for each in getattr(event, "tokens", ())][:1]
    assert sure.chosen.piece == b"x" * 32
