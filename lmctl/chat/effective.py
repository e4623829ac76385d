"""Layers of prediction settings to the one setting of a call.

A layer maps full keys (`llm.prediction.*`, contract 3.2) to values. What an earlier layer says
wins; what none says is LM Studio's default. A checkbox key (`topPSampling`, `repeatPenalty`, …)
holds its number when checked and None, `False` or `{"checked": false}` when not.
"""

from collections import ChainMap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lmctl.base.custom_fields import CustomField
from lmctl.base.talk import (
    Call,
    Chat,
    Constraint,
    Drafting,
    Grammar,
    JsonDocument,
    Message,
    Mirostat,
    OneOf,
    Overflow,
    Pattern,
    Prompt,
    Reasoning,
    Sampling,
    ToolNaming,
)
from lmctl.base.template_override import TemplateOverride
from lmctl.chat.own_template import own_template
from lmctl.chat.switched import NOTHING, Switched, switched

PREFIX: Final = "llm.prediction."

DEFAULTS: Final[Mapping[str, Any]] = {
    "temperature": 0.8,
    "topKSampling": 40,
    "topPSampling": 0.95,
    "minPSampling": 0.05,
    "repeatPenalty": 1.1,
    "llama.presencePenalty": None,
    "llama.frequencyPenalty": None,
    "seed": None,
    "maxPredictedTokens": None,
    "stopStrings": (),
    "llama.logitBias": (),
    "llama.locallyTypicalSampling": None,
    "llama.xtcProbability": None,
    "llama.xtcThreshold": None,
    "llama.mirostatSampling": {"version": 0, "learningRate": 0.1, "targetEntropy": 5},
    "logProbs": None,
    "contextOverflowPolicy": "truncateMiddle",
    "systemPrompt": "",
    "toolNaming": "removeSpecial",
    "structured": {"type": "none"},
}

_DRAFTING: Final = {
    "model": "draftModel",
    "most": "maxTokensToDraft",
    "least": "minDraftLengthToConsider",
    "least_probability": "minContinueDraftingProbability",
}


@dataclass(frozen=True, slots=True)
class Effective:
    """Every choice made. `max_tokens` None is no limit; an empty `system_prompt` is none; without a
    `constraint` an answer is free; `logprobs` is how many likely tokens to tell beside each, None
    for nothing. `switched` is what the custom fields of the model do. A conversation is written by
    `template`, if there is one, and stops at `template_stops` too.
    """

    sampling: Sampling
    max_tokens: int | None
    stop: tuple[str, ...]
    system_prompt: str
    tool_naming: ToolNaming
    reasoning: Reasoning
    drafting: Drafting
    overflow: Overflow
    logprobs: int | None
    constraint: Constraint | None = None
    switched: Switched = NOTHING
    template: str = ""
    template_stops: tuple[str, ...] = ()

    def call(self, call_id: str, asked: Chat | Prompt) -> Call:
        """Return the call these settings make of what was asked."""
        stop = self.stop
        if isinstance(asked, Chat):
            asked, stop = self.chat(asked), (*stop, *self.template_stops)
        return Call(
            id=call_id,
            input=asked,
            sampling=self.sampling,
            max_tokens=self.max_tokens,
            stop=stop,
            drafting=self.drafting,
            constraint=self.constraint,
            overflow=self.overflow,
            logprobs=self.logprobs,
        )

    def chat(self, asked: Chat) -> Chat:
        """Return the conversation as these settings have it: with their system prompt where it
        brings none, what they say of thinking where it says nothing, and what the custom fields do.
        """
        return msgspec.structs.replace(
            asked,
            messages=self.switched.prompted(with_system_prompt(asked.messages, self.system_prompt)),
            template=TemplateOverride(self.template, self.switched.usual),
            template_variables={**self.switched.asked, **asked.template_variables},
            tool_naming=self.tool_naming,
            reasoning=_together(asked.reasoning, self.reasoning),
        )


def effective(*layers: Mapping[str, Any], fields: Sequence[CustomField] = ()) -> Effective:
    """Return the settings of a call from its layers, the strongest first: that of the request.
    `fields` are the custom fields of the model.
    """
    chosen = {name: _choose(name, layers) for name in DEFAULTS}
    template, template_stops = own_template(_said("promptTemplate", layers))
    return Effective(
        sampling=_sampling(chosen),
        max_tokens=_natural(chosen["maxPredictedTokens"], least=1),
        # An empty string would stop every answer before its first character.
        stop=tuple(each for each in chosen["stopStrings"] if each),
        system_prompt=chosen["systemPrompt"],
        tool_naming=chosen["toolNaming"],
        reasoning=_reasoning(layers),
        drafting=_drafting(layers),
        constraint=_constraint(chosen["structured"]),
        overflow=chosen["contextOverflowPolicy"],
        logprobs=_natural(chosen["logProbs"], least=0),
        switched=switched(fields, layers),
        template=template,
        template_stops=template_stops,
    )


def _drafting(layers: Sequence[Mapping[str, Any]]) -> Drafting:
    """Return how tokens are to be drafted: what no layer says is left to the instance."""
    given = ChainMap(*map(dict, layers))
    said = {
        name: given.get(f"{PREFIX}speculativeDecoding.{key}") for name, key in _DRAFTING.items()
    }
    model = said["model"]
    return Drafting(
        draft=None if model is None else bool(model),
        model=model or None,
        most=_natural(said["most"], least=1),
        least=_natural(said["least"], least=0),
        least_probability=_real(said["least_probability"]),
    )


def _sampling(chosen: Mapping[str, Any]) -> Sampling:
    return Sampling(
        temperature=_real(chosen["temperature"]) or 0.0,
        top_k=int(_real(chosen["topKSampling"]) or 0),
        top_p=_real(chosen["topPSampling"]),
        min_p=_real(chosen["minPSampling"]),
        repeat_penalty=_real(chosen["repeatPenalty"]),
        presence_penalty=_real(chosen["llama.presencePenalty"]),
        frequency_penalty=_real(chosen["llama.frequencyPenalty"]),
        seed=_natural(chosen["seed"], least=0),
        logit_bias=tuple((int(token), float(bias)) for token, bias in chosen["llama.logitBias"]),
        typical_p=_real(chosen["llama.locallyTypicalSampling"]),
        xtc_probability=_real(chosen["llama.xtcProbability"]),
        xtc_threshold=_real(chosen["llama.xtcThreshold"]),
        mirostat=_mirostat(chosen["llama.mirostatSampling"]),
    )


def _mirostat(value: Mapping[str, Any] | None) -> Mirostat | None:
    """Return the sampler, or None for version 0, which is how LM Studio writes off."""
    if not value or not value.get("version"):
        return None
    usual = Mirostat(version=1 if value["version"] == 1 else 2)
    return Mirostat(
        usual.version,
        float(value.get("learningRate", usual.learning_rate)),
        float(value.get("targetEntropy", usual.target_entropy)),
    )


def with_system_prompt(messages: tuple[Message, ...], prompt: str) -> tuple[Message, ...]:
    """Put the prompt first, unless there is none or the conversation brings its own."""
    if not prompt or any(each.role == "system" for each in messages):
        return messages
    return (Message(role="system", content=prompt), *messages)


def _reasoning(layers: tuple[Mapping[str, Any], ...]) -> Reasoning:
    """Return what the settings say about thinking. `parsing` off leaves it in the content."""
    enabled = _said("reasoning.enableThinking", layers)
    parsing = _said("reasoning.parsing", layers) or {}
    usual = Reasoning()
    return Reasoning(
        enabled=enabled if isinstance(enabled, bool) else None,
        budget=_natural(_unchecked(_said("reasoning.budgetTokens", layers)), least=0),
        separate=parsing.get("enabled", True),
        start=parsing.get("startString") or usual.start,
        end=parsing.get("endString") or usual.end,
    )


def _together(asked: Reasoning, settings: Reasoning) -> Reasoning:
    """Return what the request says about thinking, and the settings where it says nothing."""
    open_ = asked.enabled is None and asked.effort is None
    usual = Reasoning()
    framed = asked if (asked.start, asked.end) != (usual.start, usual.end) else settings
    return Reasoning(
        enabled=settings.enabled if open_ else asked.enabled,
        effort=asked.effort,
        budget=settings.budget if asked.budget is None else asked.budget,
        separate=asked.separate and settings.separate,
        start=framed.start,
        end=framed.end,
    )


def _said(name: str, layers: tuple[Mapping[str, Any], ...]) -> Any:
    """Return what the strongest layer that says anything says; None when none does."""
    return next((layer[PREFIX + name] for layer in layers if PREFIX + name in layer), None)


def _constraint(value: Any) -> Constraint | None:
    """Return a constraint given as such, or the way LM Studio writes one."""
    match value:
        case JsonDocument() | Grammar() | Pattern() | OneOf():
            return value
        case {"type": "json"}:
            return JsonDocument(value.get("jsonSchema"))
        case {"type": "gbnf", "gbnfGrammar": str(grammar)}:
            return Grammar(grammar)
        case _:
            return None


def _choose(name: str, layers: tuple[Mapping[str, Any], ...]) -> Any:
    for layer in layers:
        if PREFIX + name in layer:
            value = _unchecked(layer[PREFIX + name])
            # A list or a text has no "off": None there is the same as saying nothing.
            return DEFAULTS[name] if value is None and _has_no_off(name) else value
    return DEFAULTS[name]


def _unchecked(value: Any) -> Any:
    """Return what a checkbox holds: its value, or None when it is off."""
    if isinstance(value, Mapping) and "checked" in value:
        return value.get("value") if value["checked"] else None
    return None if value is False else value


def _has_no_off(name: str) -> bool:
    return name == "temperature" or isinstance(DEFAULTS[name], tuple | str)


def _real(value: Any) -> float | None:
    return None if value is None else float(value)


def _natural(value: Any, *, least: int) -> int | None:
    """Return a whole number, or None when it is off; -1 is how LM Studio writes off."""
    return None if value is None or value < least else int(value)
