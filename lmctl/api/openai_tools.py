"""Tools as a chat completion asks for them, in our own words (contract 1.15).

The choice may be an object too: where the peer refuses that, OpenAI's own specification is followed.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from lmctl.api.tool_choice import check_names, checked, choice_in_a_word
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
    check_names(tools, "tools[{}].function.name")
    return tools


def choice_of(asked: Any, *, parallel: bool, tools: tuple[talk.Tool, ...]) -> talk.ToolChoice:
    """Return the choice in our own words. Raises BadRequest when it is none, or names no tool."""
    if (said := choice_in_a_word(asked, parallel=parallel, tools=tools)) is not None:
        return said
    match asked:
        case {"type": "function", "function": {"name": str(name)}}:
            choice = talk.ToolChoice("required", name, parallel=False)
            return checked(choice, tools, "tool_choice.function.name")
    raise BadRequest(
        '`tool_choice` should be "none", "auto", "required" or'
        ' {"type": "function", "function": {"name": …}}',
        param="tool_choice",
    )
