"""What the two text endpoints of the OpenAI family share of a request body.

The schema is open: unknown keys are tolerated (contract 1.14). What is known and cannot be done is
refused by name, never silently ignored.
"""

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from lmctl.api.fields import Number, Seconds, Share, Stop, layer_of
from lmctl.api.structured_fields import StructuredFields
from lmctl.api.tuned import TunedBody
from lmctl.base.errors import BadRequest
from lmctl.chat.effective import PREFIX


def _token_pairs(value: Any) -> Any:
    """Turn OpenAI's `{"50256": -100}` into pairs; anything else is left to be refused."""
    if not isinstance(value, dict):
        return value
    try:
        return tuple((int(token), bias) for token, bias in value.items())
    except ValueError:
        raise ValueError("should map token ids to numbers") from None


LogitBias = Annotated[
    tuple[tuple[int, Number], ...],
    BeforeValidator(_token_pairs, json_schema_input_type=dict[str, float]),
]
MOST_CHOICES: Final = 128
"""What OpenAI allows of `n`."""
TokenLimit = Annotated[int, Field(ge=-1)]

_KEYS: Final = {
    "temperature": "temperature",
    "top_k": "topKSampling",
    "top_p": "topPSampling",
    "min_p": "minPSampling",
    "repeat_penalty": "repeatPenalty",
    "presence_penalty": "llama.presencePenalty",
    "frequency_penalty": "llama.frequencyPenalty",
    "seed": "seed",
    "stop": "stopStrings",
    "logit_bias": "llama.logitBias",
    "draft_model": "speculativeDecoding.draftModel",
}

Acceptable = Callable[[Any], bool]
Refusals = tuple[tuple[str, Acceptable, str], ...]


def nothing(value: Any) -> bool:
    """Tell whether a field asks for nothing: absent, null, false, 0 or empty."""
    return not value


class StreamOptions(BaseModel):
    """`stream_options`."""

    model_config = ConfigDict(strict=True, frozen=True)

    include_usage: bool | None = None


class TextBody(StructuredFields, TunedBody):
    """The fields both text endpoints read the same way."""

    model_config = ConfigDict(strict=True, frozen=True)
    refusals: ClassVar[Refusals] = ()

    model: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[Number, Field(ge=0)] | None = None
    top_p: Share | None = None
    min_p: Share | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    repeat_penalty: Annotated[Number, Field(ge=-1)] | None = None
    presence_penalty: Number | None = None
    frequency_penalty: Number | None = None
    seed: Annotated[int, Field(ge=-1, lt=2**63)] | None = None
    stop: Stop | None = None
    logit_bias: LogitBias | None = None
    max_tokens: TokenLimit | None = None
    max_completion_tokens: TokenLimit | None = None
    draft_model: str | None = None
    n: Annotated[int, Field(ge=1, le=MOST_CHOICES)] | None = None
    ttl: Seconds | None = None

    @property
    def wants_usage(self) -> bool:
        """Whether a stream ends with a usage chunk."""
        return bool(self.stream_options and self.stream_options.include_usage)

    def check(self) -> None:
        """Raise BadRequest naming a field that asks for what this version cannot do."""
        for name, acceptable, reason in (*_SHARED_REFUSALS, *self.refusals):
            if not acceptable(getattr(self, name)):
                code = "invalid_value" if name in _VALUES else None
                raise BadRequest(f"`{name}`: {reason}", param=name, code=code)
        self.constraint()

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        layer = layer_of(self, _KEYS)
        limit = (
            self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens
        )
        if limit is not None:
            layer[PREFIX + "maxPredictedTokens"] = limit
        constraint = self.constraint()
        if constraint is not None or self.response_format is not None:
            layer[PREFIX + "structured"] = constraint
        return layer


_VALUES: Final = ("reasoning_effort",)  # LM Studio has a code for these (contract 1.3)
_SHARED_REFUSALS: Refusals = (
    ("max_tokens", lambda limit: limit != 0, "should be at least 1, or -1 for no limit"),
    ("max_completion_tokens", lambda limit: limit != 0, "should be at least 1, or -1 for no limit"),
)
