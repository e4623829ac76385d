"""POST /v1/completions (contract 1.17): raw text to continue, no chat template."""

import time
from typing import Any, ClassVar

import msgspec
from falcon.asgi import Request, Response

from lmctl.api import sse
from lmctl.api.answered import Answered, drafted_of, usage_of
from lmctl.api.answering import Asking, Dress, new_id, plain
from lmctl.api.asked import Asked
from lmctl.api.closing import exchange_of
from lmctl.api.fields import OnePrompt
from lmctl.api.openai_body import Refusals, TextBody, nothing
from lmctl.api.openai_shapes import draft_stats, error_event, usage_shape
from lmctl.api.reading import parse, read_body
from lmctl.base import talk
from lmctl.base.errors import BadRequest, LmctlError
from lmctl.chat.effective import effective
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Gateway

_encode = msgspec.json.Encoder().encode


class CompletionBody(TextBody):
    """The request body."""

    refusals: ClassVar[Refusals] = (
        ("suffix", nothing, "this version cannot fill in the middle"),
        ("echo", nothing, "this version does not repeat the prompt"),
        ("best_of", lambda count: count in (None, 0, 1), "only 1 answer is produced"),
    )

    prompt: OnePrompt = None
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
    """The endpoint; `dress` gives each writer what a sister of this endpoint tells beside."""

    def __init__(self, gateway: Gateway, *, dress: Dress = plain) -> None:
        self._gateway = gateway
        self._dress = dress

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
            makes=(make,),
            writer=lambda model: self._dress(
                CompletionWriter(answer_id, model, usage=body.wants_usage), model
            ),
        )
        await asking.answer(req, resp, stream=bool(body.stream))


class CompletionWriter:
    """The shapes of the answers; chunks and the whole are the same object."""

    def __init__(self, answer_id: str, model: str, *, usage: bool = False) -> None:
        self._common: dict[str, Any] = {
            "id": answer_id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._head = b"data: " + _encode(self._common)[:-1]
        self._usage = usage
        self._ended: dict[int, talk.Finished] = {}

    def begin(self) -> bytes:
        return b""

    def event(self, index: int, event: talk.Event) -> bytes:
        match event:
            case talk.TextDelta(text=text):
                return self._piece(index, text, None)
            case talk.Finished():
                self._ended[index] = event
                return self._piece(index, "", event.reason)
            case _:
                return b""

    def end(self) -> bytes:
        if not self._usage:
            return sse.DONE
        counts = {
            "choices": [],
            "usage": usage_shape(usage_of(self._ended), drafted_of(self._ended)),
        }
        return sse.event(self._common | counts) + sse.DONE

    def broken(self, error: LmctlError) -> bytes:
        return error_event(error)

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        ended = {index: each.finished for index, each in enumerate(answers)}
        choices = [
            {
                "index": index,
                "text": each.text,
                "logprobs": None,
                "finish_reason": each.finished.reason,
            }
            for index, each in enumerate(answers)
        ]
        drafted = drafted_of(ended)
        counts = usage_shape(usage_of(ended), drafted)
        more = {"choices": choices, "usage": counts, "stats": draft_stats(drafted)}
        return _encode(self._common | more)

    def _piece(self, index: int, text: str, reason: str | None) -> bytes:
        return b'%b,"choices":[{"index":%d,"text":%b,"logprobs":null,"finish_reason":%b}]}\n\n' % (
            self._head,
            index,
            _encode(text),
            _encode(reason),
        )
