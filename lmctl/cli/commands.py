"""Which commands there are, and where each is: only the one that is run is imported.

All of them together take most of a second to import, and most commands need little of that.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from lmctl.cli.json_flag import read_json_flag

COMPLETING: Final = "_LMCTL_COMPLETE"
"""The variable a shell sets that asks what a line may go on with."""

PLACES: Final[Mapping[str, str]] = {
    "init": "beginning:init",
    "validate": "changes:validate",
    "diff": "changes:diff",
    "plan": "changes:plan",
    "apply": "applying:apply",
    "lock": "locking:lock",
    "verify": "storing:verify",
    "gc": "storing:gc",
    "show": "plans:show",
    "wait": "looking:wait",
    "status": "looking:status",
    "get": "getting:get",
    "ls": "listing:ls",
    "ps": "running:ps",
    "chat": "chatting:chat",
    "events": "looking:events",
    "explain": "explain:explain",
    "set": "editing:set_fields",
    "fmt": "formatting:fmt",
    "schema": "schemas:schemas",
    "estimate": "estimating:estimate",
    "facts": "estimating:facts",
    "secrets": "secrets:secrets",
    "import": "importing:import_files",
    "load": "by_hand:load",
    "unload": "by_hand:unload",
    "search": "downloads:search",
    "rm": "downloads:rm",
    "rollback": "pausing:rollback",
    "suspend": "pausing:suspend",
    "resume": "pausing:resume",
    "reconcile": "pausing:reconcile",
    "why": "why:why",
    "doctor": "doctor:doctor",
    "completion": "completing:completion",
    "downloads": "downloads:app",
    "token": "tokens:app",
    "mcp": "tool_servers:app",
    "preset": "presets:app",
    "runtime": "runtimes:app",
    "history": "history:app",
    "state": "state:app",
    "daemon": "daemon:app",
    "server": "serving:app",
    "log": "log_stream:app",
}
"""Module of this room and what of it: a function is a command, an app a group of them."""


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


def _load(name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(f"lmctl.cli.{module}"), attribute)
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
