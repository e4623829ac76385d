"""POST /v1/completions (contract 1.17): raw text to continue, no chat template."""

import time
from typing import Any, ClassVar

import msgspec
from falcon.asgi import Request, Response

from lmctl.api import sse
from lmctl.api.asked import Asked
from lmctl.api.closing import exchange_of
from lmctl.api.openai_answer import Asking, new_id, usage_shape
from lmctl.api.openai_body import Refusals, TextBody, nothing
from lmctl.api.reading import parse, read_body
from lmctl.base import talk
from lmctl.base.errors import BadRequest
from lmctl.chat.effective import effective
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Gateway

_encoder = msgspec.json.Encoder()


class CompletionBody(TextBody):
    """The request body."""

    refusals: ClassVar[Refusals] = (
        ("suffix", nothing, "this version cannot fill in the middle"),
        ("echo", nothing, "this version does not repeat the prompt"),
        ("best_of", lambda count: count in (None, 0, 1), "only 1 answer is produced"),
    )

    prompt: Any = None
    suffix: Any = None
    echo: Any = None
    best_of: Any = None

    def to_text(self) -> str:
        """Return the prompt. A list of one text is that text."""
        prompt = self.prompt
        if isinstance(prompt, list) and len(prompt) == 1:
            prompt = prompt[0]
        if isinstance(prompt, str):
            return prompt
        if prompt is None:
            raise BadRequest("`prompt` is required", param="prompt")
        raise BadRequest(
            "`prompt` should be one string; several prompts and token lists are not read here",
            param="prompt",
        )


class Completions:
    """The endpoint; a stream that is slow to begin is given its head after `silence` seconds."""

    def __init__(self, gateway: Gateway, *, silence: float) -> None:
        self._gateway = gateway
        self._silence = silence

    async def on_post(self, req: Request, resp: Response) -> None:
        exchange_of(req).asked = Asked(self._gateway.metrics)
        surface = self._gateway.snapshot().surface
        body = parse(CompletionBody, await read_body(req, surface.limits.body_size))
        body.check()
        prompt = body.to_text()
        if surface.log_prompts:
            exchange_of(req).notes["prompt"] = prompt
        answer_id = new_id("cmpl-")

        def make(route: ServedRoute) -> talk.Call:
            settings = effective(body.layer(), route.operation)
            return settings.call(answer_id, talk.Prompt(prompt))

        asking = Asking(
            self._gateway,
            model=body.model,
            make=make,
            writer=lambda model: CompletionWriter(answer_id, model),
        )
        if body.stream:
            await asking.stream(req, resp, usage=body.wants_usage, silence=self._silence)
        else:
            await asking.whole(req, resp)


class CompletionWriter:
    """The shapes of one answer; chunks and the whole are the same object."""

    def __init__(self, answer_id: str, model: str) -> None:
        self._common: dict[str, Any] = {
            "id": answer_id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._head = (
            b"data: " + _encoder.encode(self._common)[:-1] + b',"choices":[{"index":0,"text":'
        )

    def text(self, piece: str) -> bytes:
        return self._piece(piece, None)

    def last(self, finished: talk.Finished) -> bytes:
        return self._piece("", finished.reason)

    def usage(self, usage: talk.Usage) -> bytes:
        return sse.event(self._common | {"choices": [], "usage": usage_shape(usage)})

    def whole(self, text: str, finished: talk.Finished) -> bytes:
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finished.reason}
        counts = usage_shape(finished.usage)
        return _encoder.encode(self._common | {"choices": [choice], "usage": counts, "stats": {}})

    def _piece(self, text: str, reason: str | None) -> bytes:
        return b'%b%b,"logprobs":null,"finish_reason":%b}]}\n\n' % (
            self._head,
            _encoder.encode(text),
            _encoder.encode(reason),
        )
