"""Formats are recognised from real templates, and what a template writes for a call is read back."""

import json
from datetime import UTC, datetime

import pytest

from lmctl.base.talk import Chat, Message, Reasoning, Tool, ToolCall
from lmctl.chat.ability import ability
from lmctl.chat.conversation import conversation
from lmctl.chat.template import Markers, render
from lmctl.runner.format_files import shipped
from tests.support.templates import real_templates
from tests.support.written import heard

pytestmark = pytest.mark.engine

NOW = datetime(2026, 11, 30, tzinfo=UTC)
MARKERS = Markers("<s>", "</s>")
TOOL = Tool(
    "get_weather",
    "Tells the weather.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
)
GIVEN = {"city": "Paris", "days": 2}
ASKED = Message("user", "Is it warm?")
CALLED = Message("assistant", tool_calls=(ToolCall("123456789", "get_weather", json.dumps(GIVEN)),))
# name: format of calls, whether tools are the template's own business, frame of thoughts
KNOWN = {
    "Apertus-8B-Instruct": (None, False, "apertus"),
    "Apriel-1.6-15b-Thinker-fixed": ("hermes", True, None),
    "ByteDance-Seed-OSS": ("qwen-coder", True, "seed"),
    "CohereForAI-c4ai-command-r7b-12-2024-tool_use": ("cohere", True, "cohere"),
    "GLM-4.6": ("glm", True, "think"),
    "GLM-4.7-Flash": ("glm", True, "think"),
    "GigaChat3.1-10B-A1.8B": ("gigachat", True, None),
    "HuggingFaceTB-SmolLM3-3B": (None, False, "think"),
    "Kimi-K2-Instruct": ("kimi", True, None),
    "Kimi-K2-Thinking": ("kimi", True, "think"),
    "LFM2-8B-A1B": ("lfm2", True, None),
    "LFM2.5-8B-A1B": ("lfm2", True, "think"),
    "MiMo-VL": ("hermes", True, None),
    "MiniMax-M1": ("hermes", True, None),
    "MiniMax-M2": ("invoke", True, "think"),
    "Mistral-Small-3.2-24B-Instruct-2506": ("mistral", True, None),
    "NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": ("qwen-coder", True, "think"),
    "NVIDIA-Nemotron-Nano-v2": ("nemotron", True, "think"),
    "NousResearch-Hermes-2-Pro-Llama-3-8B-tool_use": ("hermes", True, None),
    "NousResearch-Hermes-3-Llama-3.1-8B-tool_use": ("hermes", True, None),
    "Qwen-QwQ-32B": ("hermes", True, "think"),
    "Qwen-Qwen2.5-7B-Instruct": ("hermes", True, None),
    "Qwen-Qwen3-0.6B": ("hermes", True, "think"),
    "Qwen3-Coder": ("qwen-coder", True, None),
    "Qwen3.5-4B": ("qwen-coder", True, "think"),
    "StepFun3.5-Flash": ("qwen-coder", True, "think"),
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": ("deepseek", False, "think"),
    "deepseek-ai-DeepSeek-V3.1": ("deepseek", False, "think"),
    "deepseek-ai-DeepSeek-V3.2": ("deepseek", True, "think"),
    "deepseek-ai-DeepSeek-V4": ("deepseek", True, "think"),
    "google-gemma-2-2b-it": (None, False, None),
    "google-gemma-4-31B-it": ("gemma", True, "gemma4"),
    "ibm-granite-granite-3.3-2B-Instruct": ("granite", True, "granite"),
    "ibm-granite-granite-4.0": ("hermes", True, None),
    "meetkai-functionary-medium-v3.1": ("functionary", True, None),
    "meta-llama-Llama-3.1-8B-Instruct": ("llama3", True, None),
    "meta-llama-Llama-3.2-3B-Instruct": ("llama3", True, None),
    "meta-llama-Llama-3.3-70B-Instruct": ("llama3", True, None),
    "microsoft-Phi-3.5-mini-instruct": (None, False, None),
    "mistralai-Ministral-3-14B-Reasoning-2512": ("mistral", True, "magistral"),
    "mistralai-Mistral-Nemo-Instruct-2407": ("mistral", True, None),
    "moonshotai-Kimi-K2": ("kimi", True, None),
    "openai-gpt-oss-120b": ("harmony", True, None),
    "openbmb-MiniCPM5-1B": ("minicpm", True, "think"),
    "tencent-Hy3": ("glm", True, "hunyuan"),
    "unsloth-mistral-Devstral-Small-2507": ("mistral", True, None),
    "upstage-Solar-Open-100B": ("solar", True, "solar"),
}


@pytest.fixture(scope="module")
def templates():
    return real_templates()


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_a_template_s_format_is_recognised(templates, name):
    able = ability(templates[name], shipped())

    told = (able.format and able.format.name, able.tools, able.thought and able.thought.name)
    assert told == KNOWN[name]


WRITTEN_FOR = {"LFM2-8B-A1B", "ibm-granite-granite-3.3-2B-Instruct"}
"""Templates that show tools and results and leave calls out."""


@pytest.mark.parametrize("name", sorted({name for name in KNOWN if KNOWN[name][1]} - WRITTEN_FOR))
def test_what_a_template_writes_for_a_call_is_read_back(templates, name):
    template = templates[name]
    chat = Chat((ASKED,), tools=(TOOL,), reasoning=Reasoning(enabled=False))
    found = conversation(chat, template, now=NOW, markers=MARKERS, formats=shipped())
    given = {"now": NOW, "markers": MARKERS, "tools": (TOOL,), "add_generation_prompt": False}
    before = render(template, (ASKED,), **given)
    after = render(template, (ASKED, CALLED), **given)
    same = next(
        (n for n, pair in enumerate(zip(before, after, strict=False)) if pair[0] != pair[1]),
        min(len(before), len(after)),
    )

    answer = heard(found.reading, *_written(after[same:], found.prompt))

    assert [(each, json.loads(text)) for each, text in answer.calls] == [("get_weather", GIVEN)]


def _written(turn: str, prompt: str) -> str:
    """Return what of a turn the model itself writes: what follows the end of its prompt."""
    for size in range(min(len(turn), len(prompt)), 0, -1):
        if prompt.endswith(turn[:size]):
            return turn[size:]
    return turn


def test_every_template_renders_a_conversation_with_tools_or_says_why_not(templates):
    for name, template in templates.items():
        able = ability(template, shipped())
        assert able.format is None or able.format in shipped().families, name
