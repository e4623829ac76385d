"""Layers of prediction settings: pure, so no gateway is needed."""

import math

import pytest

from lmctl.base.talk import Chat, Message, Mirostat, Reasoning, Sampling
from lmctl.chat.effective import PREFIX, effective, with_system_prompt


def layer(**values):
    return {PREFIX + name.replace("__", "."): value for name, value in values.items()}


def test_saying_nothing_gives_lm_studios_defaults():
    chosen = effective()

    assert chosen.sampling == Sampling(0.8, 40, 0.95, 0.05, 1.1)
    assert (chosen.max_tokens, chosen.stop, chosen.system_prompt) == (None, (), "")


def test_an_earlier_layer_wins_over_a_later_one():
    chosen = effective(layer(temperature=0.1), layer(temperature=0.5, topKSampling=7))

    assert (chosen.sampling.temperature, chosen.sampling.top_k) == (0.1, 7)


@pytest.mark.parametrize(
    "off", [None, False, {"checked": False, "value": 0.5}], ids=["none", "false", "unchecked"]
)
def test_an_unchecked_box_turns_its_sampler_off(off):
    chosen = effective(
        layer(topPSampling=off, minPSampling=off, repeatPenalty=off, maxPredictedTokens=off)
    )

    assert chosen.sampling.top_p is None
    assert chosen.sampling.min_p is None
    assert chosen.sampling.repeat_penalty is None
    assert chosen.max_tokens is None


def test_a_checked_box_holds_its_number():
    chosen = effective(layer(topPSampling={"checked": True, "value": 0.5}))

    assert chosen.sampling.top_p == 0.5


def test_a_request_can_turn_on_what_the_route_turned_off():
    assert effective(layer(topPSampling=0.3), layer(topPSampling=None)).sampling.top_p == 0.3


def test_minus_one_is_a_fresh_seed_and_no_limit():
    chosen = effective(layer(seed=-1, maxPredictedTokens=-1))

    assert chosen.sampling.seed is None
    assert chosen.max_tokens is None
    assert effective(layer(seed=0)).sampling.seed == 0


def test_penalties_and_biases_are_off_until_given():
    chosen = effective(
        layer(
            llama__presencePenalty=0.5,
            llama__frequencyPenalty=0.25,
            llama__logitBias=[[3, "-inf"], [4, 2]],
        )
    )

    assert (chosen.sampling.presence_penalty, chosen.sampling.frequency_penalty) == (0.5, 0.25)
    assert chosen.sampling.logit_bias == ((3, -math.inf), (4, 2.0))


def test_an_empty_stop_string_stops_nothing():
    assert effective(layer(stopStrings=["", "END"])).stop == ("END",)


def test_null_where_there_is_no_off_is_the_default():
    chosen = effective(layer(temperature=None, stopStrings=None, systemPrompt=None))

    assert chosen.sampling.temperature == 0.8
    assert (chosen.stop, chosen.system_prompt) == ((), "")


def test_temperature_zero_is_kept():
    assert effective(layer(temperature=0)).sampling.temperature == 0


def test_a_system_prompt_goes_first_unless_the_conversation_has_one():
    user = Message("user", "hi")
    own = (Message("system", "mine"), user)

    assert with_system_prompt((user,), "be terse") == (Message("system", "be terse"), user)
    assert with_system_prompt(own, "be terse") == own
    assert with_system_prompt((user,), "") == (user,)


@pytest.mark.parametrize(
    ("asked", "settings", "wanted"),
    [
        pytest.param(Reasoning(), {}, Reasoning(), id="nothing"),
        pytest.param(
            Reasoning(),
            {"reasoning.enableThinking": False, "reasoning.budgetTokens": 50},
            Reasoning(enabled=False, budget=50),
            id="settings",
        ),
        pytest.param(
            Reasoning(effort="high"),
            {"reasoning.enableThinking": False},
            Reasoning(effort="high"),
            id="the request wins",
        ),
        pytest.param(
            Reasoning(enabled=True, budget=9),
            {"reasoning.budgetTokens": {"checked": True, "value": 50}},
            Reasoning(enabled=True, budget=9),
            id="its budget wins",
        ),
        pytest.param(
            Reasoning(),
            {"reasoning.budgetTokens": {"checked": False, "value": 50}},
            Reasoning(),
            id="unchecked budget",
        ),
        pytest.param(
            Reasoning(),
            {"reasoning.parsing": {"enabled": False, "startString": "<r>", "endString": "</r>"}},
            Reasoning(separate=False, start="<r>", end="</r>"),
            id="marks",
        ),
    ],
)
def test_thinking_is_as_the_request_says_and_else_as_the_settings_say(asked, settings, wanted):
    layer = {PREFIX + name: value for name, value in settings.items()}

    call = effective({}, layer).call("1", Chat((Message("user", "?"),), reasoning=asked))

    assert call.input.reasoning == wanted


def test_the_rarer_samplers_are_off_until_given():
    chosen = effective(
        layer(
            llama__locallyTypicalSampling=0.9,
            llama__xtcProbability={"checked": True, "value": 0.5},
            llama__xtcThreshold=0.2,
            llama__mirostatSampling={"version": 2, "learningRate": 0.3, "targetEntropy": 4},
        )
    ).sampling

    assert (chosen.typical_p, chosen.xtc_probability, chosen.xtc_threshold) == (0.9, 0.5, 0.2)
    assert chosen.mirostat == Mirostat(2, 0.3, 4.0)


def test_mirostat_of_version_zero_is_off():
    off = layer(llama__mirostatSampling={"version": 0, "learningRate": 0.1, "targetEntropy": 5})

    assert effective(off).sampling.mirostat is None


def test_what_a_context_that_is_full_means_and_how_sure_the_model_was_are_settings():
    usual = effective()
    chosen = effective(layer(contextOverflowPolicy="stopAtLimit", logProbs=3))

    assert (usual.overflow, usual.logprobs) == ("truncateMiddle", None)
    assert (chosen.overflow, chosen.logprobs) == ("stopAtLimit", 3)
