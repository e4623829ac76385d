"""`inference_params` of an LM Studio 0.2 preset: what they come to as settings of today."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from lmctl.manifests.settings_keys import validate

_PREFIX: Final = "llm.prediction."
_SETTINGS: Final = {
    "pre_prompt": "systemPrompt",
    "temp": "temperature",
    "n_predict": "maxPredictedTokens",
    "top_k": "topKSampling",
    "top_p": "topPSampling",
    "min_p": "minPSampling",
    "typical_p": "llama.locallyTypicalSampling",
    "tfs_z": "llama.tailFreeSampling",
    "repeat_penalty": "repeatPenalty",
    "presence_penalty": "llama.presencePenalty",
    "frequency_penalty": "llama.frequencyPenalty",
    "seed": "seed",
}
# What switched a sampler off, or asked for nothing.
_OFF: Final = {"n_predict": -1, "typical_p": 1, "tfs_z": 1, "presence_penalty": 0,
               "frequency_penalty": 0, "seed": -1}  # fmt: skip
_AROUND: Final = {
    "pre_prompt_prefix": "beforeSystem",
    "pre_prompt_suffix": "afterSystem",
    "input_prefix": "beforeUser",
    "input_suffix": "beforeAssistant",
}
_STOPS: Final = "antiprompt"
_MIROSTAT: Final = {
    "mirostat": "version",
    "mirostat_eta": "learningRate",
    "mirostat_tau": "targetEntropy",
}
_BIAS: Final = "logit_bias"
_KNOWN: Final = frozenset({*_SETTINGS, *_AROUND, _STOPS, *_MIROSTAT, _BIAS})


@dataclass(slots=True)
class Legacy:
    """Settings by full key, None for one turned off; `wrong` are parameters with a value that cannot
    be, and why; `unknown` those that mean nothing today.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()


def legacy_settings(params: Mapping[str, Any]) -> Legacy:
    """Return what old parameters come to."""
    found = Legacy(unknown=tuple(each for each in params if each not in _KNOWN))
    for name, key, value in _converted(params):
        try:
            found.settings[_PREFIX + key] = validate(_PREFIX + key, value)
        except (ValueError, TypeError) as error:
            found.wrong[name] = str(error)
    return found


def _converted(params: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield the parameter, the tail of the key it is today, and its value there."""
    for name, key in _SETTINGS.items():
        if params.get(name) is not None:
            off = name in _OFF and params[name] == _OFF[name]
            yield name, key, None if off else params[name]
    template = _template(params)
    if template:
        yield (
            next(each for each in (*_AROUND, _STOPS) if params.get(each)),
            "promptTemplate",
            template,
        )
    if params.get("mirostat"):
        told = {new: params[old] for old, new in _MIROSTAT.items() if old in params}
        yield "mirostat", "llama.mirostatSampling", told
    bias = params.get(_BIAS)
    if bias:
        pairs = list(bias.items()) if isinstance(bias, Mapping) else bias
        yield _BIAS, "llama.logitBias", [_pair(each) for each in pairs]


def _pair(bias: Any) -> Any:
    """Return a token's number and its bias; numbers were keys of JSON, so text."""
    match bias:
        case (str() as token, value) if token.isdecimal():
            return [int(token), value]
        case (token, value):
            return [token, value]
    return bias


def _template(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stood around the turns, and where an answer ended."""
    pieces = {new: params[old] for old, new in _AROUND.items() if params.get(old)}
    made: dict[str, Any] = {"stopStrings": params[_STOPS]} if params.get(_STOPS) else {}
    if pieces:
        made |= {"type": "manual", "manualPromptTemplate": pieces}
    return made
