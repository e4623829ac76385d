"""Tools and the choice among them as OpenAI's Responses write them, in our own words (contract 1.19)."""

from typing import Any

from lmctl.api.tool_choice import checked, choice_in_a_word, tools_from
from lmctl.base import talk
from lmctl.base.errors import BadRequest


def tools_of(given: Any) -> tuple[talk.Tool, ...]:
    """Return the functions in our own words. Raises BadRequest naming what is wrong."""
    found = tools_from(given, _tool)
    return tuple(each for each in found if each is not None)


def choice_of(asked: Any, *, parallel: bool, tools: tuple[talk.Tool, ...]) -> talk.ToolChoice:
    """Return the choice in our own words. Raises BadRequest when it is none, or names no tool."""
    if (said := choice_in_a_word(asked, parallel=parallel, tools=tools)) is not None:
        return said
    match asked:
        case {"type": "function", "name": str(name)}:
            choice = talk.ToolChoice("required", name, parallel=False)
            return checked(choice, tools, "tool_choice.name")
    raise BadRequest(
        '`tool_choice` should be "none", "auto", "required" or {"type": "function", "name": …}',
        param="tool_choice",
    )


def _tool(given: Any, place: str) -> talk.Tool | None:
    match given:
        case {"type": "mcp"}:  # a tool server, which is asked what it has
            return None
        case {"type": "function", "name": str(name)} if name:
            return talk.Tool(
                name,
                _optional(given, "description", str, f"{place}.description", "a string"),
                _optional(given, "parameters", dict, f"{place}.parameters", "an object"),
                strict=given.get("strict") is True,
            )
        case {"type": "function"}:
            raise BadRequest(f"`{place}.name` is required", param=f"{place}.name")
        case {"type": str(kind)}:
            raise BadRequest(
                f"`{place}.type`: there is no {kind} here",
                param=f"{place}.type",
                hint='send tools of type "function" or "mcp"',
            )
    raise BadRequest(f"`{place}.type` is required", param=f"{place}.type")


def _optional(given: dict[str, Any], key: str, kind: type, place: str, wanted: str) -> Any:
    value = given.get(key)
    if value is None or isinstance(value, kind):
        return value
    raise BadRequest(f"`{place}` should be {wanted}", param=place)
