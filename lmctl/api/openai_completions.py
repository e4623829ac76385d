"""POST /v1/completions (contract 1.17): raw text to continue, no chat template."""

import time
from collections import Counter
from functools import partial
from typing import Annotated, Any, ClassVar, Final

import msgspec
from falcon.asgi import Request, Response
from pydantic import Field

from lmctl.api import sse
from lmctl.api.answered import Answered, AnswerEvent
from lmctl.api.answering import Asking, Dress, new_id, plain
from lmctl.api.choices import choices
from lmctl.api.closing import exchange_of
from lmctl.api.entering import entered, note_prompt
from lmctl.api.fields import Prompts
from lmctl.api.openai_body import Refusals, TextBody, nothing
from lmctl.api.openai_logprobs import completion_logprobs
from lmctl.api.openai_shapes import draft_stats, error_event, usage_shape
from lmctl.base import talk
from lmctl.base.errors import BadRequest, LmctlError
from lmctl.base.usage import drafted_of, usage_of
from lmctl.chat.effective import PREFIX
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import Gateway
from lmctl.serving.on_demand import Terms

_encode = msgspec.json.Encoder().encode


MOST_TOKEN: Final = 2**31
MOST_ANSWERS: Final = 1024
"""Answers that one request may ask for: its prompts times `n`."""


class CompletionBody(TextBody):
    """The request body."""

    refusals: ClassVar[Refusals] = (
        ("suffix", nothing, "this version cannot fill in the middle"),
        ("echo", nothing, "this version does not repeat the prompt"),
        ("custom_fields", nothing, "they are for conversations: a raw prompt knows no template"),
        ("best_of", lambda count: count in (None, 0, 1), "every answer is shown; send `n`"),
    )

    prompt: Prompts = None
    logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    suffix: Any = None
    echo: Any = None
    best_of: Any = None

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        layer = super().layer()
        if self.logprobs is not None:
            layer[PREFIX + "logProbs"] = self.logprobs
        return layer

    def prompts(self) -> tuple[talk.Prompt, ...]:
        """Return the prompts: a text or its tokens, or a list of those."""
        given = self.prompt
        if given is None or given == []:
            raise BadRequest("`prompt` is required", param="prompt")
        several = isinstance(given, list) and not _are_tokens(given)
        found = given if several else [given]
        if len(found) * (self.n or 1) > MOST_ANSWERS:
            raise BadRequest(
                f"`prompt`: {len(found)} prompts with {self.n or 1} answers each are more than"
                f" {MOST_ANSWERS} answers",
                param="prompt",
                hint="send fewer at once",
            )
        return tuple(
            _prompt(each, f"prompt[{number}]" if several else "prompt")
            for number, each in enumerate(found)
        )


def _are_tokens(given: Any) -> bool:
    whole = isinstance(given, list) and bool(given) and all(type(each) is int for each in given)
    return whole and all(0 <= each < MOST_TOKEN for each in given)


def _prompt(given: Any, place: str) -> talk.Prompt:
    if isinstance(given, str):
        return talk.Prompt(given)
    if _are_tokens(given):
        return talk.Prompt(tokens=tuple(given))
    raise BadRequest(f"`{place}` should be a string or a list of tokens", param=place)


class Completions:
    """The endpoint; `dress` gives each writer what a sister of this endpoint tells beside."""

    def __init__(self, gateway: Gateway, *, dress: Dress = plain) -> None:
        self._gateway = gateway
        self._dress = dress

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await entered(self._gateway, req, CompletionBody)
        body.check()
        prompts, count = body.prompts(), body.n or 1
        note_prompt(req, lambda: [each.text or each.tokens for each in prompts])
        answer_id, surface = new_id("cmpl-"), exchange_of(req).surface

        def make(prompt: talk.Prompt, route: ServedRoute) -> talk.Call:
            return body.settings(surface, route).call(answer_id, prompt)

        asking = Asking(
            self._gateway,
            model=body.model,
            makes=tuple(
                each for prompt in prompts for each in choices(partial(make, prompt), count)
            ),
            terms=Terms(body.ttl),
            writer=lambda model: self._dress(
                CompletionWriter(answer_id, model, count=count, usage=body.wants_usage), model
            ),
        )
        await asking.answer(req, resp, stream=bool(body.stream))


class CompletionWriter:
    """The shapes of the answers; chunks and the whole are the same object."""

    def __init__(self, answer_id: str, model: str, *, count: int = 1, usage: bool = False) -> None:
        self._common: dict[str, Any] = {
            "id": answer_id,
            "object": "text_completion",
            "created": int(time.time()),
            "model": model,
        }
        self._head = b"data: " + _encode(self._common)[:-1]
        self._count = count
        self._usage = usage
        self._ended: dict[int, talk.Finished] = {}
        self._said: Counter[int] = Counter()

    def begin(self) -> bytes:
        return b""

    def event(self, index: int, event: AnswerEvent) -> bytes:
        match event:
            case talk.TextDelta(text=text, tokens=tokens):
                told = completion_logprobs(tokens, offset=self._said[index])
                self._said[index] += len(text)
                return self._piece(index, text, told, None)
            case talk.Finished():
                self._ended[index] = event
                return self._piece(index, "", None, event.reason)
            case _:
                return b""

    def end(self) -> bytes:
        if not self._usage:
            return sse.DONE
        usage = usage_shape(usage_of(self._ended, choices=self._count), drafted_of(self._ended))
        return sse.event(self._common | {"choices": [], "usage": usage}) + sse.DONE

    def broken(self, error: LmctlError) -> bytes:
        return error_event(error)

    def whole(self, answers: tuple[Answered, ...]) -> bytes:
        ended = {index: each.finished for index, each in enumerate(answers)}
        shown = [
            {
                "index": index,
                "text": each.text,
                "logprobs": completion_logprobs(each.tokens, offset=0),
                "finish_reason": each.finished.reason,
            }
            for index, each in enumerate(answers)
        ]
        drafted = drafted_of(ended)
        counts = usage_shape(usage_of(ended, choices=self._count), drafted)
        more = {"choices": shown, "usage": counts, "stats": draft_stats(drafted)}
        return _encode(self._common | more)

    def _piece(
        self, index: int, text: str, told: dict[str, Any] | None, reason: str | None
    ) -> bytes:
        return b'%b,"choices":[{"index":%d,"text":%b,"logprobs":%b,"finish_reason":%b}]}\n\n' % (
            self._head,
            index,
            _encode(text),
            _encode(told),
            _encode(reason),
        )
