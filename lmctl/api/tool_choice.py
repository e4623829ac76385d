"""What every dialect checks of the tools it is given and of the choice among them."""

from lmctl.base import talk
from lmctl.base.errors import BadRequest


def check_names(tools: tuple[talk.Tool, ...], place: str) -> None:
    """Raise BadRequest when two tools have the same name; `place` says where with `{}` for the number."""
    seen: set[str] = set()
    for number, tool in enumerate(tools):
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
