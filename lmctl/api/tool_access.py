"""Opens the tool servers a request asks for, if it may use them (contract 1.5, 2.1, 2.2)."""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, Final

from falcon.asgi import Request

from lmctl.api.brought_tools import brought
from lmctl.api.catalogue import McpRefused, McpUnreachable, NoIntegrations, PluginUnreachable
from lmctl.api.closing import Exchange, exchange_of
from lmctl.api.hosted_tools import hosted
from lmctl.api.in_time import in_time
from lmctl.api.tool_asks import ToolAsk
from lmctl.base.errors import BadRequest, LmctlError, Refused
from lmctl.serving.toolbox import Toolbox, ToolServer

_PATIENCE: Final = 20.0  # seconds the control plane may take; a server that comes up takes some


async def toolbox_of(
    req: Request, asks: Sequence[ToolAsk], *, taken: Iterable[str] = ()
) -> Toolbox | None:
    """Return what the model may call, None where nothing is asked for. What is connected for the
    request is closed with it.

    Raises NoIntegrations where requests, or this caller's, may not use a server; PluginUnreachable,
    McpUnreachable and McpRefused when one cannot be had; BadRequest for tools it has not.
    """
    if not asks:
        return None
    exchange = exchange_of(req)
    for each in asks:
        _check_allowed(each, exchange)
    rules = exchange.surface.tools
    with in_time(exchange):
        servers = await _together([_opened(each, exchange) for each in asks])
    for ask, server in zip(asks, servers, strict=True):
        _check_known(ask, server)
    exchange.notes["tool_servers"] = [each.provider.label for each in servers]
    return Toolbox(servers, rules, allowed=[each.allowed for each in asks], taken=taken)


def _check_allowed(ask: ToolAsk, exchange: Exchange) -> None:
    rules = exchange.surface.tools
    allowed, field, scope = (
        (rules.file, "allowFile", "mcp:local")
        if ask.url is None
        else (rules.per_request, "allowPerRequest", "mcp:ephemeral")
    )
    if not allowed:
        raise NoIntegrations(
            f"`{ask.place}`: requests may not use such a tool server",
            param=ask.param,
            hint=f"the Server says so: `mcp.{field}: true` changes it",
        )
    if not exchange.principal.may(scope):
        raise NoIntegrations(
            f"`{ask.place}`: token `{exchange.principal.name}` needs the scope `{scope}`",
            param=ask.param,
            hint="add it to the token's `scopes` in the Server",
        )


async def _together(opening: Sequence[Coroutine[Any, Any, ToolServer]]) -> list[ToolServer]:
    """Return what all of these open, side by side; the first trouble is raised."""
    tasks = [asyncio.ensure_future(each) for each in opening]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _opened(ask: ToolAsk, exchange: Exchange) -> ToolServer:
    name = ask.label if ask.url is not None else f"mcp/{ask.label}"
    message = f"`{ask.place}`: tool server `{name}` cannot be used: "
    try:
        if ask.url is not None:
            return await brought(ask, exchange.surface.tools, over=exchange.stack)
        async with asyncio.timeout(_PATIENCE):
            return await hosted(exchange.surface.control_socket, ask.label)
    except TimeoutError:
        message += "the control plane does not answer"
        raise PluginUnreachable(message, param=ask.param) from None
    except Refused as error:
        raise McpRefused(f"{message}{error}", param=ask.param, hint=error.hint) from error
    except LmctlError as error:
        kind = PluginUnreachable if ask.url is None else McpUnreachable
        raise kind(f"{message}{error}", param=ask.param, hint=error.hint) from error


def _check_known(ask: ToolAsk, server: ToolServer) -> None:
    names = {each.name for each in server.tools}
    if ask.allowed is not None and (missing := sorted(ask.allowed - names)):
        raise BadRequest(
            f"`{ask.place}.allowed_tools`: `{ask.label}` has no {', '.join(missing)}",
            param=ask.param,
            hint=f"it has {', '.join(sorted(names)) or 'no tools'}",
        )
