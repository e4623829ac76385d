"""From the SDK's values and errors to our words."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import httpx2
from pydantic import ValidationError

from lmctl.base.errors import LmctlError
from lmctl.base.tools import ToolAnswer, ToolOffer

if TYPE_CHECKING:
    from mcp import types

_LONGEST: Final = 300  # characters of a foreign error that are passed on


def offer_of(tool: "types.Tool") -> ToolOffer:
    """Return a tool in our words."""
    annotations = tool.annotations
    return ToolOffer(
        name=tool.name,
        description=tool.description or tool.title or "",
        input_schema=tool.input_schema,
        annotations=_plain(annotations) if annotations is not None else {},
    )


def answer_of(result: "types.CallToolResult") -> ToolAnswer:
    """Return what a tool answered. One that has only structured content says it as text, too."""
    content = tuple(_plain(each) for each in result.content)
    if not content and result.structured_content is not None:
        content = ({"type": "text", "text": json.dumps(result.structured_content)},)
    return ToolAnswer(content, bool(result.is_error))


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def errors() -> tuple[type[Exception], ...]:
    """Return what a question to a server may raise beside our own."""
    from mcp import MCPError

    return (MCPError, ValidationError, RuntimeError, httpx2.HTTPError, OSError, ExceptionGroup)


def connection_closed(error: BaseException) -> bool:
    """Say whether the connection is over, not only the question."""
    from mcp import MCPError, types

    return any(
        isinstance(each, httpx2.TransportError)
        or (isinstance(each, MCPError) and each.code == types.CONNECTION_CLOSED)
        for each in flat(error)
    )


def speaks_otherwise(error: BaseException) -> bool:
    """Say whether a server is there and does not understand streamable HTTP: SSE may be its way."""
    from mcp import MCPError

    causes = list(flat(error.__cause__ or error))
    return any(isinstance(each, MCPError) for each in causes) and not any(
        isinstance(each, (httpx2.TransportError, LmctlError)) for each in causes
    )


def says_tools_changed(message: Any) -> bool:
    """Say whether a server tells, unasked, that it offers other tools now."""
    from mcp import types

    return isinstance(message, types.ToolListChangedNotification)


def flat(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors of a group, however deep, or the error itself."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from flat(each)
    else:
        yield error


def told(error: BaseException) -> str:
    """Return errors as one short line."""
    lines = dict.fromkeys(_line(each) for each in flat(error))
    return "; ".join(lines)[:_LONGEST]


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, FileNotFoundError):
        return f"there is no program `{error.filename}`"
    if isinstance(error, ValidationError):
        return f"its answer is not what the protocol says: {text}"
    if text == "Connection closed":
        return "the server ended the connection"
    if isinstance(error, httpx2.TransportError):
        return f"no connection: {text or type(error).__name__}"
    return text or type(error).__name__
