"""Tools and the choice among them as Anthropic's Messages API writes them, in our own words."""

from typing import Any, Final

from lmctl.api.tool_choice import checked, tools_from
from lmctl.base import talk
from lmctl.base.errors import BadRequest

_CHOICES: Final = '"auto", "any", "none" or {"type": "tool", "name": …}'


def tools_of(given: Any) -> tuple[talk.Tool, ...]:
    """Return the tools in our own words. Raises BadRequest naming what is wrong."""
    return tools_from(given, _tool)


def choice_of(asked: Any, tools: tuple[talk.Tool, ...]) -> talk.ToolChoice:
    """Return the choice in our own words. Raises BadRequest when it is none, or names no tool."""
    parallel = not (isinstance(asked, dict) and asked.get("disable_parallel_tool_use") is True)
    match asked:
        case None | {"type": "auto"}:
            choice = talk.ToolChoice(parallel=parallel)
        case {"type": "none"}:
            choice = talk.ToolChoice("none")
        case {"type": "any"}:
            choice = talk.ToolChoice("required", parallel=parallel)
        case {"type": "tool", "name": str(name)}:
            choice = talk.ToolChoice("required", name, parallel=parallel)
        case _:
            raise BadRequest(f"`tool_choice.type` should be {_CHOICES}", param="tool_choice")
    return checked(choice, tools, "tool_choice")


def _tool(given: Any, place: str) -> talk.Tool:
    match given:
        case {"type": str(kind)} if kind != "custom":
            raise BadRequest(
                f"`{place}.type`: {kind} runs at Anthropic and is not here",
                param=f"{place}.type",
                hint="send tools with a name and an input_schema",
            )
        case {"name": str(name)} if name:
            return talk.Tool(
                name,
                _optional(given, "description", str, f"{place}.description", "a string"),
                _optional(given, "input_schema", dict, f"{place}.input_schema", "an object"),
                strict=given.get("strict") is True,
            )
    raise BadRequest(f"`{place}.name` is required", param=f"{place}.name")


def _optional(given: dict[str, Any], key: str, kind: type, place: str, wanted: str) -> Any:
    value = given.get(key)
    if value is None or isinstance(value, kind):
        return value
    raise BadRequest(f"`{place}` should be {wanted}", param=place)
