"""Which commands there are, and where each is: only the one that is run is imported.

All of them together take most of a second to import, and most commands need little of that.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from lmctl.base.struct_types import settle
from lmctl.cli.json_flag import read_json_flag

COMPLETING: Final = "_LMCTL_COMPLETE"
"""The variable a shell sets that asks what a line may go on with."""

SECTIONS: Final[Mapping[str, Mapping[str, str]]] = {
    "Begin": {
        "init": "beginning:init",
        "doctor": "doctor:doctor",
        "completion": "completing:completion",
    },
    "Declare and apply": {
        "validate": "changes:validate",
        "diff": "changes:diff",
        "plan": "changes:plan",
        "show": "plans:show",
        "apply": "applying:apply",
        "lock": "locking:lock",
        "set": "editing:set_fields",
        "fmt": "formatting:fmt",
        "explain": "explain:explain",
        "schema": "schemas:schemas",
        "secrets": "secrets:secrets",
    },
    "See what is": {
        "status": "looking:status",
        "get": "getting:get",
        "why": "why:why",
        "events": "looking:events",
        "log": "log_stream:app",
        "wait": "looking:wait",
    },
    "Serve models": {
        "ps": "running:ps",
        "chat": "chatting:chat",
        "load": "by_hand:load",
        "unload": "by_hand:unload",
        "server": "serving:app",
        "token": "tokens:app",
    },
    "Store models": {
        "ls": "listing:ls",
        "search": "downloads:search",
        "downloads": "downloads:app",
        "import": "importing:import_files",
        "rm": "downloads:rm",
        "verify": "storing:verify",
        "gc": "storing:gc",
    },
    "Fit memory": {
        "estimate": "estimating:estimate",
        "facts": "estimating:facts",
    },
    "Extend": {
        "runtime": "runtimes:app",
        "preset": "presets:app",
        "mcp": "tool_servers:app",
    },
    "Go back and hold": {
        "history": "history:app",
        "rollback": "pausing:rollback",
        "suspend": "pausing:suspend",
        "resume": "pausing:resume",
        "reconcile": "pausing:reconcile",
    },
    "Look after the daemon": {
        "daemon": "daemon:app",
        "state": "state:app",
    },
}
"""Module of this room and what of it, by command, as the help shows them: a function is a command, an
app a group of them.
"""
PLACES: Final[Mapping[str, str]] = {
    name: place for section in SECTIONS.values() for name, place in section.items()
}


class Commands(Mapping[str, Any]):
    """Commands by name, each imported when it is asked for."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _load(name, PLACES[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(PLACES)

    def __len__(self) -> int:
        return len(PLACES)


class LateGroup(TyperGroup):
    """The group of all commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = Commands()  # type: ignore[assignment] # what adds to it is never called

    # typer's own types of the context are private to it
    def list_commands(self, ctx):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, ARG002
        """Return their names; the base class would load each."""
        return list(self.commands)

    def format_commands(self, ctx, formatter):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN201, ARG002
        """Write them by what they are for, each with as much of its first sentence as fits."""
        longest = max(map(len, PLACES))
        limit = formatter.width - 6 - longest
        for title, names in SECTIONS.items():
            rows = [(each.ljust(longest), _short(self.commands[each], limit)) for each in names]
            with formatter.section(title):
                formatter.write_dl(rows)


def _short(command: Any, limit: int) -> str:
    """Return its first sentence, or the part of it that says most by itself."""
    whole = str(command.get_short_help_str(1000))
    if len(whole) <= limit:
        return whole.removesuffix(".")
    ends = (whole.rfind(mark, 0, limit) for mark in (";", ":", ","))
    end = next((each for each in ends if each > 0), None)
    return whole[:end] if end is not None else str(command.get_short_help_str(limit))


def _load(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"lmctl.cli.{module}"), attribute)
    settle()
    holder = typer.Typer(add_completion=False, rich_markup_mode=None)
    holder.callback()(lambda: None)
    if isinstance(found, typer.Typer):
        holder.add_typer(found, name=name)
    else:
        holder.command(name=name)(found)
    read_json_flag(holder)
    group = typer.main.get_command(holder)
    assert isinstance(group, TyperGroup)  # noqa: S101 - it has a callback
    return group.commands[name]
