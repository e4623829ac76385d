"""From the bytes of a request to a validated body, and from what is wrong with it to one error."""

import asyncio
from typing import Any, TypeVar

from falcon.asgi import Request
from pydantic import BaseModel, ValidationError

from lmctl.api.catalogue import InvalidJson, TooLarge, TooSlow, WrongMedia
from lmctl.base.errors import BadRequest
from lmctl.base.quantities import format_duration, format_size
from lmctl.planning.surface import Limits

# pydantic speaks of Python's types; the client wrote JSON.
_JSON_WORDS = (
    ("a valid tuple", "an array"),
    ("a valid list", "an array"),
    ("a valid array", "an array"),
    ("Tuple should", "should"),
    ("a valid dictionary", "an object"),
)

_Body = TypeVar("_Body", bound=BaseModel)


async def read_body(req: Request, limits: Limits) -> bytes:
    """Return the whole body, whatever its content type says, unless it is a multipart form.

    Raises TooLarge over `body_size` bytes (chunked bodies too), TooSlow when it has not come within
    `body_timeout` seconds, and WrongMedia.
    """
    limit = limits.body_size
    if (req.content_type or "").startswith("multipart/"):
        raise WrongMedia("multipart bodies are not read here", hint="send JSON")
    if (req.content_length or 0) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(limits.body_timeout):
            body: bytes = await req.stream.read(limit + 1)
    except TimeoutError:
        told = f"the body did not come within {format_duration(limits.body_timeout)}"
        raise TooSlow(told, hint="raise `spec.limits.bodyTimeout` of the Server") from None
    if len(body) > limit:
        raise _too_large(limit)
    return body


def parse(kind: type[_Body], data: bytes) -> _Body:
    """Return the body as `kind`. Raises InvalidJson, or BadRequest naming the first wrong field."""
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise _first(error) from None


def _first(error: ValidationError) -> BadRequest:
    # The input itself is left out: it may be a prompt, and errors are logged.
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    problem = problems[0]
    if problem["type"] == "json_invalid":
        return InvalidJson(problem["msg"].replace("Invalid JSON", "the body is not JSON", 1))
    if not problem["loc"]:
        return BadRequest("the body must be a JSON object")
    param = _path(problem["loc"])
    if problem["type"] == "missing":
        return BadRequest(f"`{param}` is required", param=param)
    reason = problem["msg"].removeprefix("Value error, ").replace("Input should", "should", 1)
    for word, better in _JSON_WORDS:
        reason = reason.replace(word, better)
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return BadRequest(f"`{param}` {reason}{more}", param=param)


def _path(location: tuple[Any, ...]) -> str:
    """Write `messages[0].role` the way OpenAI does."""
    path = ""
    for each in location:
        path += f"[{each}]" if isinstance(each, int) else f".{each}"
    return path.removeprefix(".")


def _too_large(limit: int) -> TooLarge:
    return TooLarge(
        f"the body is over the limit of {format_size(limit)}",
        hint="raise `spec.limits.bodySize` of the Server",
    )
