"""POST /v1/embeddings (contract 1.18): texts to vectors."""

import base64
import struct
from typing import Annotated, Any, Final, Literal

import msgspec
from falcon.asgi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lmctl.api.answered import Answered
from lmctl.api.answering import Collecting, new_id
from lmctl.api.closing import exchange_of
from lmctl.api.entering import entered, note_prompt
from lmctl.api.errors import JSON_TYPE
from lmctl.api.fields import Seconds, Texts
from lmctl.base import talk
from lmctl.base.errors import BadRequest
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Gateway
from lmctl.serving.on_demand import Terms

_FLOAT: Final = 4
_MOST_TOKENS: Final = 2**31  # a token is a number of 32 bits; which ones there are, the model knows


class EmbeddingsBody(BaseModel):
    """The request body; what else a client sends is passed over."""

    model_config = ConfigDict(strict=True, frozen=True)

    model: str | None = None
    input: Texts = None
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1)] | None = None
    ttl: Seconds | None = None

    def texts(self) -> talk.Texts:
        """Return the input: one text or several, each as text or as tokens. Raises BadRequest."""
        given = self.input
        if given is None:
            raise BadRequest("`input` is required", param="input")
        if isinstance(given, str) or _are_tokens(given):
            given = [given]
        if not isinstance(given, list):
            raise BadRequest("`input` should be a text or an array of texts", param="input")
        return talk.Texts(
            tuple(_one(each, place) for place, each in enumerate(given)), self.dimensions
        )


class Embeddings:
    """The endpoint."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await entered(self._gateway, req, EmbeddingsBody)
        texts = body.texts()
        note_prompt(req, lambda: [each for each in texts.texts if isinstance(each, str)])
        call = talk.Call(new_id("embd-"), texts)

        def make(_route: ServedRoute) -> talk.Call:
            return call

        asking = Collecting(self._gateway, model=body.model, makes=(make,), terms=Terms(body.ttl))
        model, (answer,) = await asking.collect(exchange_of(req))
        resp.content_type = JSON_TYPE
        resp.data = _shape(model, answer, coded=body.encoding_format == "base64")


def _are_tokens(given: Any) -> bool:
    return isinstance(given, list) and bool(given) and all(type(each) is int for each in given)


def _one(given: Any, place: int) -> str | tuple[int, ...]:
    if isinstance(given, str):
        return given
    if _are_tokens(given) and all(0 <= each < _MOST_TOKENS for each in given):
        return tuple(given)
    raise BadRequest(f"`input[{place}]` should be a text or an array of tokens", param="input")


def _shape(model: str, answer: Answered, *, coded: bool) -> bytes:
    tokens = answer.finished.usage.prompt_tokens
    data = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _coded(each) if coded else _plain(each),
        }
        for index, each in enumerate(answer.vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return msgspec.json.encode({"object": "list", "data": data, "model": model, "usage": usage})


def _coded(vector: bytes) -> str:
    return base64.b64encode(vector).decode()


def _plain(vector: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector) // _FLOAT}f", vector)
