"""What a change of mcp.json starts, ends and reaches, in a person's words.

Hosting is no step of a plan, and a program that is to be started must be told of all the more.
"""

from collections.abc import Iterator

from lmctl.planning.desired import DesiredState
from lmctl.planning.wanted_tools import WantedToolServer


def tool_changes(before: DesiredState | None, after: DesiredState) -> Iterator[str]:
    """Yield a line per tool server that is hosted otherwise than before, or no longer."""
    old = {each.name: each for each in before.tool_servers} if before is not None else {}
    new = {each.name: each for each in after.tool_servers}
    for name in sorted(old.keys() | new.keys()):
        if name not in new:
            yield f"- end    mcp/{name}"
        elif name not in old:
            yield f"+ host   mcp/{name}: {_effect(new[name])}"
        elif old[name].digest != new[name].digest:
            yield f"~ rehost mcp/{name}: {_effect(new[name])}"


def _effect(want: WantedToolServer) -> str:
    if want.command:
        return f"starts `{' '.join((want.command, *want.args))}`"
    return f"connects to {want.url.partition('?')[0]}"
