"""Tool servers a request asks for, in our own words: of this box, or remote ones it brings."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag

from lmctl.base.errors import BadRequest

_PLUGIN: Final = re.compile(r"mcp/([a-z0-9]+(?:-[a-z0-9]+)*)")
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class ToolAsk:
    """A server to use. With a `url` it is one the request brings. `allowed` are the tools it may
    offer, None for all; `param` is the field that errors name, `place` where in it this stands.
    """

    label: str
    place: str
    param: str
    url: str | None = None
    headers: Headers = field(default_factory=dict, repr=False)
    allowed: frozenset[str] | None = None


class PluginIntegration(BaseModel):
    """A server of mcp.json: `mcp/LABEL`."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["plugin"]
    id: str
    allowed_tools: tuple[str, ...] | None = None


class EphemeralIntegration(BaseModel):
    """A remote server for this request only."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    type: Literal["ephemeral_mcp"]
    server_label: Annotated[str, Field(min_length=1, max_length=64)]
    server_url: Annotated[str, Field(min_length=1)]
    allowed_tools: tuple[str, ...] | None = None
    headers: Headers | None = None


def _kind(given: Any) -> str | None:
    """Return which of the forms this is meant to be, so that errors are about that one."""
    if isinstance(given, str):
        return "id"
    found = given.get("type") if isinstance(given, dict) else getattr(given, "type", None)
    return found if isinstance(found, str) else None


Integration = Annotated[
    Annotated[str, Tag("id")]
    | Annotated[PluginIntegration, Tag("plugin")]
    | Annotated[EphemeralIntegration, Tag("ephemeral_mcp")],
    Discriminator(_kind),
]


def of_integrations(given: tuple[Integration, ...]) -> tuple[ToolAsk, ...]:
    """Return what the native chat asks for. Raises BadRequest."""
    return _distinct(_of_integration(each, number) for number, each in enumerate(given))


def _of_integration(given: Integration, number: int) -> ToolAsk:
    place, param = f"integrations[{number}]", "integrations"
    match given:
        case str():
            return ToolAsk(_label(given, place, param), place, param)
        case PluginIntegration():
            return ToolAsk(
                _label(given.id, f"{place}.id", param),
                place,
                param,
                allowed=_named(given.allowed_tools),
            )
        case EphemeralIntegration():
            return ToolAsk(
                given.server_label,
                place,
                param,
                given.server_url,
                _checked(given.headers or {}, f"{place}.headers", param),
                _named(given.allowed_tools),
            )


def of_tools(given: Any) -> tuple[ToolAsk, ...]:
    """Return what a request to `/v1/responses` asks for among its `tools`. Raises BadRequest."""
    found = enumerate(given) if isinstance(given, list) else ()
    return _distinct(
        _of_tool(each, f"tools[{number}]")
        for number, each in found
        if isinstance(each, dict) and each.get("type") == "mcp"
    )


def _of_tool(given: dict[str, Any], place: str) -> ToolAsk:
    for name in ("connector_id", "authorization"):
        if given.get(name) is not None:
            raise BadRequest(f"`{place}.{name}`: send `server_url` and `headers`", param="tools")
    if given.get("require_approval") not in (None, "never"):
        why = "nobody is asked here before a tool is called"
        raise BadRequest(f'`{place}.require_approval`: {why}; send "never"', param="tools")
    label = _text(given.get("server_label"), f"{place}.server_label")
    url, headers = given.get("server_url"), given.get("headers")
    if url is None:
        found = _PLUGIN.fullmatch(f"mcp/{label.removeprefix('mcp/')}")
        if found is None:
            raise BadRequest(f"`{place}.server_label`: `{label}` is no label", param="tools")
        return ToolAsk(found[1], place, "tools", allowed=_subset(given, place))
    if headers is not None and not _is_texts(headers):
        raise BadRequest(f"`{place}.headers` should be an object of strings", param="tools")
    return ToolAsk(
        label,
        place,
        "tools",
        _text(url, f"{place}.server_url"),
        _checked(headers or {}, f"{place}.headers", "tools"),
        _subset(given, place),
    )


def _subset(given: dict[str, Any], place: str) -> frozenset[str] | None:
    """Return the tools that may be offered: a list, or OpenAI's `{"tool_names": […]}`."""
    match given.get("allowed_tools"):
        case None:
            return None
        case list() as names if all(isinstance(each, str) for each in names):
            return frozenset(names)
        case {"tool_names": list() as names, **rest} if not rest:
            return frozenset(map(str, names))
    raise BadRequest(f"`{place}.allowed_tools` should be a list of names", param="tools")


def _label(plugin: str, place: str, param: str) -> str:
    found = _PLUGIN.fullmatch(plugin)
    if found is None:
        raise BadRequest(f"`{place}`: expected `mcp/LABEL`, found `{plugin}`", param=param)
    return found[1]


def _checked(headers: Headers, place: str, param: str) -> Headers:
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or not value.isprintable() or not value.isascii():
            raise BadRequest(f"`{place}`: `{name[:60]}` is no header HTTP can send", param=param)
    return headers


def _distinct(asks: Iterator[ToolAsk]) -> tuple[ToolAsk, ...]:
    """Return all of them. Raises BadRequest when two could not be told apart."""
    found: dict[tuple[str, bool], ToolAsk] = {}
    for each in asks:
        key = (each.label, each.url is not None)
        if key in found:
            raise BadRequest(f"`{each.place}`: `{each.label}` is asked for twice", param=each.param)
        found[key] = each
    return tuple(found.values())


def _named(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def _text(value: Any, place: str) -> str:
    if not isinstance(value, str) or not value:
        raise BadRequest(f"`{place}` should be a string", param="tools")
    return value


def _is_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())
