"""A template of settings on real weights: SmolLM2's own, written as prefixes, reads the same."""

import pytest

from lmctl.base.talk import Chat, Message, Started
from lmctl.chat.effective import PREFIX, effective
from tests.functional.runner.boxes import answer

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

CHATML = {
    f"{place}{role}": text
    for role, name in (("System", "system"), ("User", "user"), ("Assistant", "assistant"))
    for place, text in (("before", f"<|im_start|>{name}\n"), ("after", "<|im_end|>\n"))
}
TURNS = (
    Message("system", "You answer in one short sentence."),
    Message("user", "What is the capital of France?"),
    Message("assistant", "Paris."),
    Message("user", "And of Italy?"),
)
GREEDY = {PREFIX + "temperature": 0.0, PREFIX + "maxPredictedTokens": 24}


def template(**more):
    return {PREFIX + "promptTemplate": {"type": "manual", "manualPromptTemplate": CHATML, **more}}


async def told(box, *layers):
    call = effective(*layers, GREEDY).call("call-1", Chat(TURNS))
    found = await answer(box, call)
    (started,) = (each for each in found.events if isinstance(each, Started))
    return started.prompt_tokens, found.text


async def test_prefixes_that_say_what_the_models_own_template_says_are_read_the_same(box):
    own = await told(box)
    assert await told(box, template()) == own
    assert own[1]


async def test_stop_strings_of_the_template_end_the_answer(box):
    _, whole = await told(box, template())
    stop = whole[2:4]
    _, cut = await told(box, template(stopStrings=[stop]))
    assert cut == whole[: whole.index(stop)]
