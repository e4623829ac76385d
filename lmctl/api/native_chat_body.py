"""The request body of `/api/v1/chat`, and what it means in our own words (contract 1.5)."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from lmctl.api import images
from lmctl.api.fields import Number, Share, layer_of
from lmctl.api.tool_asks import Integration
from lmctl.api.tuned import TunedBody
from lmctl.base import talk
from lmctl.base.errors import BadRequest

_KEYS: Final = {
    "temperature": "temperature",
    "top_k": "topKSampling",
    "top_p": "topPSampling",
    "min_p": "minPSampling",
    "repeat_penalty": "repeatPenalty",
    "max_output_tokens": "maxPredictedTokens",
}


class TextItem(BaseModel):
    """Text. The name `message` is that of LM Studio's field table, `text` that of its servers."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["text", "message"]
    content: str


class ImageItem(BaseModel):
    """An image as a base64 data URL."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["image"]
    data_url: str


Item = Annotated[TextItem | ImageItem, Field(discriminator="type")]


class NativeChatBody(TunedBody):
    """The request body. Its schema is closed: an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    model: Annotated[str, Field(min_length=1)]
    input: str | Annotated[tuple[Item, ...], Field(min_length=1)]
    system_prompt: str | None = None
    integrations: tuple[Integration, ...] = ()
    stream: bool = False
    temperature: Share | None = None
    top_p: Share | None = None
    top_k: Annotated[int, Field(ge=-1)] | None = None
    min_p: Share | None = None
    repeat_penalty: Annotated[Number, Field(ge=-1)] | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    reasoning: Literal["off", "low", "medium", "high", "xhigh", "on"] | None = None
    context_length: Annotated[int, Field(ge=1)] | None = None
    store: bool = True
    previous_response_id: Annotated[str, Field(pattern="^resp_")] | None = None

    def to_message(self) -> talk.Message:
        """Return this turn in our own words. Raises BadRequest for what is no image."""
        if isinstance(self.input, str):
            return talk.Message(role="user", content=self.input)
        parts = [
            item.content
            if isinstance(item, TextItem)
            else images.from_url(item.data_url, f"input[{number}].data_url")
            for number, item in enumerate(self.input)
        ]
        message = talk.Message(role="user", content=images.content(parts))
        images.check([message], param="input")
        return message

    def to_reasoning(self, allowed: tuple[str, ...]) -> talk.Reasoning:
        """Return how much to think; `allowed` are the choices the model has.

        Raises BadRequest naming them when it has not this one.
        """
        wanted = self.reasoning
        if wanted is None or (wanted == "off" and not allowed):
            return talk.Reasoning()
        if wanted not in allowed:
            known = ", ".join(allowed) or "none"
            raise BadRequest(
                f"`reasoning`: this model does not support `{wanted}`; supported settings: {known}",
                param="reasoning",
                code="invalid_value",
            )
        effort = None if wanted in ("off", "on") else wanted
        return talk.Reasoning(enabled=wanted != "off", effort=effort)

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        return layer_of(self, _KEYS)
