"""What every dialect checks of the tools it is given and of the choice among them."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lmctl.base import talk
from lmctl.base.errors import BadRequest

_Read = TypeVar("_Read", talk.Tool, talk.Tool | None)


def tools_from(given: Any, read: Callable[[Any, str], _Read]) -> tuple[_Read, ...]:
    """Return the tools of a list, each as `read` makes it of what stands at its place; None for what
    is no tool of the client's.

    Raises BadRequest naming what is wrong, also when two have the same name.
    """
    if given is None:
        return ()
    if not isinstance(given, list):
        raise BadRequest("`tools` should be a list", param="tools")
    tools = tuple(read(each, f"tools[{number}]") for number, each in enumerate(given))
    check_names(tools, "tools[{}].name")
    return tools


def choice_in_a_word(
    asked: Any, *, parallel: bool, tools: tuple[talk.Tool, ...]
) -> talk.ToolChoice | None:
    """Return the choice that OpenAI's dialects say in a word, None for anything else. Raises
    BadRequest when a tool must be called and there is none.
    """
    match asked:
        case None | "auto":
            return talk.ToolChoice(parallel=parallel)
        case "none":
            return talk.ToolChoice("none", parallel=parallel)
        case "required":
            return checked(talk.ToolChoice("required", parallel=parallel), tools, "tool_choice")
    return None


def check_names(tools: Sequence[talk.Tool | None], place: str) -> None:
    """Raise BadRequest when two tools have the same name; `place` says where with `{}` for the number."""
    seen: set[str] = set()
    for number, tool in enumerate(tools):
        if tool is None:
            continue
        if tool.name in seen:
            where = place.format(number)
            raise BadRequest(f"`{where}`: there are two tools named {tool.name}", param=where)
        seen.add(tool.name)


def checked(choice: talk.ToolChoice, tools: tuple[talk.Tool, ...], place: str) -> talk.ToolChoice:
    """Return the choice if there is a tool to call. Raises BadRequest naming the place."""
    names = [each.name for each in tools]
    if choice.mode == "required" and not names:
        raise BadRequest(f"`{place}`: a tool must be called and there is none", param=place)
    if choice.name is not None and choice.name not in names:
        raise BadRequest(
            f"`{place}`: there is no tool named {choice.name}",
            param=place,
            hint=f"`tools` has {', '.join(names)}",
        )
    return choice
