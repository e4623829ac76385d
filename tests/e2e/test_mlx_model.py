"""A model in MLX's format behind a whole box: the runtime is chosen, it is loaded and answers."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from openai import OpenAI

from tests.support import tiny_mlx
from tests.support.box import PATIENCE, Box, box_in

pytestmark = [pytest.mark.e2e, pytest.mark.engine, pytest.mark.timeout(300)]

TEMPLATE = (
    "{% for tool in tools or [] %}{{ tool | tojson }}{% endfor %}"
    "{% for message in messages %}{{ message.role }}:{{ message.content }}"
    "{% for call in message.tool_calls or [] %}<tool_call>\n"
    '{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}'
    "\n</tool_call>{% endfor %}\n{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}"
)
ROLE = {"role": "user", "content": "Say anything."}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tiny_mlx.write(tmp_path_factory.mktemp("weights") / "tiny-mlx")
    (made / "chat_template.jinja").write_text(TEMPLATE)
    return made


@pytest.fixture(scope="module")
def box(folder, tmp_path_factory) -> Iterator[Box]:
    with box_in(tmp_path_factory.mktemp("box")) as made:
        made.write(
            "models/tiny/model.yaml",
            f"""\
            model: acme/tiny
            base:
              - key: acme/tiny-mlx
                sources: [{{type: file, path: "{folder}"}}]
            """,
        )
        made.instance("chat", "acme/tiny", load="{contextLength: 512, parallel: 2, tryMmap: false}")
        made.applied = made.apply()
        made.until_ready()
        yield made
        made.lmctl("daemon", "down")
        assert made.left_over() == [], "something outlived `lmctl daemon down`"


@pytest.fixture(scope="module")
def client(box) -> Iterator[OpenAI]:
    url = f"{box.url}/v1"
    with OpenAI(base_url=url, api_key="none", max_retries=0, timeout=PATIENCE) as made:
        yield made


def test_a_chat_is_answered_the_same_alone_and_streamed(client):
    asked = {"model": "chat", "messages": [ROLE], "temperature": 0, "max_tokens": 8}

    whole = client.chat.completions.create(**asked)
    pieces = client.chat.completions.create(**asked, stream=True)
    text = "".join(each.choices[0].delta.content or "" for each in pieces if each.choices)

    assert whole.usage.completion_tokens == 8
    assert whole.choices[0].finish_reason == "length"
    assert text == whole.choices[0].message.content


def test_a_second_question_reads_only_what_is_new(client):
    asked = {"role": "user", "content": "A long question. " * 10}
    answers = [
        client.chat.completions.create(
            model="chat", messages=[asked, {"role": "user", "content": more}], max_tokens=2
        )
        for more in ("one", "two")
    ]

    cached = answers[1].usage.prompt_tokens_details.cached_tokens
    assert cached > 0.9 * answers[1].usage.prompt_tokens


def test_an_answer_keeps_to_a_schema(client):
    schema = {
        "type": "object",
        "properties": {"color": {"enum": ["red", "green"]}, "size": {"type": "boolean"}},
        "required": ["color", "size"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}

    found = client.chat.completions.create(
        model="chat", messages=[ROLE], response_format=form, max_tokens=100
    )

    told = json.loads(found.choices[0].message.content)
    assert told["color"] in {"red", "green"}
    assert isinstance(told["size"], bool)


def test_a_call_that_must_be_made_is_written_as_the_folders_template_writes_calls(client):
    kinds = {"type": "object", "properties": {"unit": {"enum": ["c", "f"]}}, "required": ["unit"]}
    tool = {"type": "function", "function": {"name": "weather", "parameters": kinds}}

    found = client.chat.completions.create(
        model="chat", messages=[ROLE], tools=[tool], tool_choice="required", max_tokens=200
    )

    [choice] = found.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.tool_calls[0].function.name == "weather"
    assert json.loads(choice.message.tool_calls[0].function.arguments)["unit"] in {"c", "f"}


def test_probabilities_are_told(client):
    found = client.chat.completions.create(
        model="chat", messages=[ROLE], logprobs=True, top_logprobs=3, max_tokens=2, temperature=0
    )

    [first, _] = found.choices[0].logprobs.content
    assert first.logprob == first.top_logprobs[0].logprob < 0
    assert len(first.top_logprobs) == 3


def test_the_runtime_was_chosen_and_what_it_passes_over_told(box):
    listed = httpx2.get(f"{box.url}/api/v0/models", timeout=PATIENCE).json()["data"]
    [model] = [each for each in listed if each["state"] == "loaded"]

    assert (model["compatibility_type"], model["arch"]) == ("mlx", "llama")
    [newer] = httpx2.get(f"{box.url}/api/v1/models", timeout=PATIENCE).json()["models"]
    assert newer["format"] == "mlx"
    assert newer["loaded_instances"][0]["config"] == {"context_length": 512, "parallel": 2}
    assert "`load.tryMmap` has no effect with MLX" in box.applied.err + box.applied.out
    assert "mlx" in box.lmctl("explain", "instance/chat", str(box.fleet)).out


def test_memory_is_foreseen(box, folder):
    fleet = box.lmctl("estimate", str(box.fleet), "-o", "json")
    file = box.lmctl("estimate", str(folder / "model.safetensors"), "-o", "json")

    for found in (fleet, file):
        assert found.code == 0, found.err
        assert '"high"' in found.out or '"measured"' in found.out
