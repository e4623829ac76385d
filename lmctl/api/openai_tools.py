"""Tools as a chat completion asks for them, in our own words (contract 1.15).

The choice may be an object too: where the peer refuses that, OpenAI's own specification is followed.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lmctl.base import talk
from lmctl.base.errors import BadRequest


class FunctionTool(BaseModel):
    """`function` of a tool."""

    model_config = ConfigDict(strict=True, frozen=True)

    name: Annotated[str, Field(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class OfferedTool(BaseModel):
    """One of `tools`; functions are the only kind."""

    model_config = ConfigDict(strict=True, frozen=True)

    type: Literal["function"]
    function: FunctionTool

    def to_talk(self) -> talk.Tool:
        """Return the tool in our own words."""
        function = self.function
        return talk.Tool(
            function.name, function.description, function.parameters, strict=bool(function.strict)
        )


def tools_of(offered: tuple[OfferedTool, ...] | None) -> tuple[talk.Tool, ...]:
    """Return the tools in our own words. Raises BadRequest when two have the same name."""
    tools = tuple(each.to_talk() for each in offered or ())
    check_names(tools, tuple(f"tools[{n}].function.name" for n in range(len(tools))))
    return tools


def check_names(tools: tuple[talk.Tool, ...], places: tuple[str, ...]) -> None:
    """Raise BadRequest naming the place where a name comes a second time."""
    seen: set[str] = set()
    for tool, place in zip(tools, places, strict=True):
        if tool.name in seen:
            raise BadRequest(f"`{place}`: there are two tools named {tool.name}", param=place)
        seen.add(tool.name)


def choice_of(asked: Any, *, parallel: bool, tools: tuple[talk.Tool, ...]) -> talk.ToolChoice:
    """Return the choice in our own words. Raises BadRequest when it is none, or names no tool."""
    match asked:
        case None | "auto":
            return talk.ToolChoice(parallel=parallel)
        case "none":
            return talk.ToolChoice("none", parallel=parallel)
        case "required":
            return checked(talk.ToolChoice("required", parallel=parallel), tools, "tool_choice")
        case {"type": "function", "function": {"name": str(name)}}:
            choice = talk.ToolChoice("required", name, parallel=False)
            return checked(choice, tools, "tool_choice.function.name")
    raise BadRequest(
        '`tool_choice` should be "none", "auto", "required" or'
        ' {"type": "function", "function": {"name": …}}',
        param="tool_choice",
    )


def checked(choice: talk.ToolChoice, tools: tuple[talk.Tool, ...], place: str) -> talk.ToolChoice:
    """Return the choice if there is a tool to call. Raises BadRequest."""
    names = [each.name for each in tools]
    if not names:
        raise BadRequest(f"`{place}`: a tool must be called and there is none", param=place)
    if choice.name is not None and choice.name not in names:
        raise BadRequest(
            f"`{place}`: there is no tool named {choice.name}",
            param=place,
            hint=f"`tools` has {', '.join(names)}",
        )
    raise BadRequest(
        f"`{place}`: this version cannot make a model call a tool", param=place, hint='send "auto"'
    )
