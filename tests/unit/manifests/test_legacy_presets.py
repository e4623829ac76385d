"""LM Studio 0.2 presets: read as they lie, and imported as presets of today."""

import json

import pytest

from lmctl.base.errors import Refused
from lmctl.manifests.bundle import read
from lmctl.manifests.preset_import import imported

P = "llm.prediction."
OLD = {
    "name": "Alpaca (old)",
    "load_params": {"n_ctx": 2048, "n_batch": 512},
    "inference_params": {
        "n_threads": 4,
        "n_predict": -1,
        "top_k": 30,
        "min_p": 0.1,
        "temp": 0.7,
        "repeat_penalty": 1.2,
        "input_prefix": "### Instruction:\n",
        "input_suffix": "\n### Response:\n",
        "antiprompt": ["### Instruction:"],
        "pre_prompt": "Below is an instruction.",
        "pre_prompt_suffix": "\n",
        "seed": -1,
        "typical_p": 1,
        "mirostat": 2,
        "mirostat_tau": 4,
        "logit_bias": {"7": -5},
        "presence_penalty": 0,
        "top_p": "much",
    },
}
TEMPLATE = {
    "type": "manual",
    "manualPromptTemplate": {
        "afterSystem": "\n",
        "beforeUser": "### Instruction:\n",
        "beforeAssistant": "\n### Response:\n",
    },
    "stopStrings": ["### Instruction:"],
}
SETTINGS = {
    P + "systemPrompt": "Below is an instruction.",
    P + "temperature": 0.7,
    P + "maxPredictedTokens": None,
    P + "topKSampling": 30,
    P + "minPSampling": 0.1,
    P + "llama.locallyTypicalSampling": None,
    P + "repeatPenalty": 1.2,
    P + "llama.presencePenalty": None,
    P + "seed": None,
    P + "promptTemplate": TEMPLATE,
    P + "llama.mirostatSampling": {"version": 2, "targetEntropy": 4},
    P + "llama.logitBias": [[7, -5]],
}


def text(value):
    return json.dumps(value, indent=1).encode()


def test_an_old_file_counts_as_it_lies_and_says_what_it_cannot_mean():
    found = read({"old.preset.json": text(OLD)})
    (preset,) = found.bundle.presets.values()
    assert (preset.identifier, preset.display_name) == ("old", "Alpaca (old)")
    assert preset.settings == SETTINGS
    assert [f"{each.place}: {each.message}" for each in found.diagnostics] == [
        "old.preset.json:3:17: `load_params`: counts for nothing, since a preset is for what is already loaded",
        "old.preset.json:7:22: `inference_params`: nothing today is n_threads",
        "old.preset.json:29:12: `inference_params.top_p`: expected a number from 0 to 1, or `false` to turn it off, found the text `much`",
    ]
    assert not found.fatal


def test_what_a_file_says_in_todays_words_goes_before_its_old_ones():
    both = OLD | {"operation": {"fields": [{"key": P + "temperature", "value": 0.1}]}}
    (preset,) = read({"old.preset.json": text(both)}).bundle.presets.values()
    assert preset.settings == SETTINGS | {P + "temperature": 0.1}


def test_imported_it_is_a_preset_of_today_that_says_the_same():
    made = imported("old", text(OLD))
    assert (made.identifier, made.slug) == ("@local:alpaca-old", "alpaca-old")
    again = read({"alpaca-old.preset.json": made.content})
    assert again.diagnostics == ()
    (preset,) = again.bundle.presets.values()
    assert (preset.identifier, preset.display_name) == ("@local:alpaca-old", "Alpaca (old)")
    assert preset.settings == SETTINGS
    assert len(made.left_out) == 3
    fields = {
        each["key"]: each["value"] for each in json.loads(made.content)["operation"]["fields"]
    }
    assert fields[P + "minPSampling"] == {"checked": True, "value": 0.1}
    assert fields[P + "maxPredictedTokens"] == {"checked": False}


def test_todays_preset_keeps_its_name_and_loses_what_counts_for_nothing():
    today = {
        "identifier": "@local:terse",
        "name": "Terse",
        "changed": False,
        "operation": {"fields": [
            {"key": P + "temperature", "value": 0.1},
            {"key": "ext.virtualModel.customField.acme.small.think", "value": False},
            {"key": P + "no.such", "value": 1},
        ]},
        "load": {"fields": [{"key": "llm.load.contextLength", "value": 9}]},
    }  # fmt: skip
    made = imported("whatever", text(today))
    assert json.loads(made.content) == {
        "identifier": "@local:terse",
        "name": "Terse",
        "operation": {"fields": today["operation"]["fields"][:2]},
    }
    assert len(made.left_out) == 2
    assert imported("whatever", text(today), identifier="curt").identifier == "curt"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"not: [closed", "`x` is no preset"),
        (b"[1, 2]", "`x` is no preset"),
        (b"{}", "`x` says nothing that counts"),
        (text({"load_params": {"n_ctx": 1}}), "`x` says nothing that counts"),
        (b"apiVersion: lmctl/v1alpha1\nkind: Instance\n", "`x` is no preset"),
    ],
)
def test_what_is_no_preset_is_refused(content, why):
    with pytest.raises(Refused, match=why):
        imported("x", content)
