"""The first steps of every request: the settings it comes under, and its body, counted and checked."""

from collections.abc import Callable
from typing import TypeVar

import structlog
from falcon.asgi import Request, Response
from pydantic import BaseModel

from lmctl.api.asked import Asked
from lmctl.api.closing import exchange_of
from lmctl.api.reading import parse, read_body
from lmctl.api.tuned import TunedBody
from lmctl.serving.gateway import Gateway

_log = structlog.get_logger("lmctl.access")

_Body = TypeVar("_Body", bound=BaseModel)


class Entrance:
    """Middleware that gives every request the settings of the moment it comes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def process_request(self, req: Request, _resp: Response) -> None:
        exchange = exchange_of(req)
        exchange.surface = self._gateway.snapshot().surface
        if exchange.surface.logs.requests == "full":
            _log.info(
                "request began",
                method=req.method,
                path=req.path,
                request_id=exchange.request_id,
                client=req.remote_addr,
                agent=req.user_agent,
                bytes=req.content_length,
            )


async def entered(
    gateway: Gateway,
    req: Request,
    kind: type[_Body],
    *,
    parsed: Callable[[type[_Body], bytes], _Body] = parse,
) -> _Body:
    """Return the body of a request for an answer, which is counted from now on; see `read_body` and
    `parse` for what they raise, and BadRequest for a preset that is not there.
    """
    exchange = exchange_of(req)
    exchange.asked = Asked(gateway.metrics)
    body = parsed(kind, await read_body(req, exchange.surface.limits))
    if isinstance(body, TunedBody):
        body.named(exchange.surface)  # nothing is loaded for a request that cannot be answered
    return body


def note_prompt(req: Request, said: Callable[[], object]) -> None:
    """Write what was asked into the log line, if the Server says so."""
    exchange = exchange_of(req)
    if exchange.surface.logs.prompts:
        exchange.notes["prompt"] = said()
