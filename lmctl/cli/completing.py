"""`completion`: what a shell needs to complete commands, options and names of objects."""

import time
from contextlib import closing
from enum import StrEnum
from typing import Annotated, Final

import typer
from typer import completion as typers

from lmctl.adapters.home import home_of
from lmctl.adapters.state.store import read_store
from lmctl.cli.commands import COMPLETING
from lmctl.cli.printer import Printer
from lmctl.cli.selecting import KINDS

_BOX: Final = "box"


class Shell(StrEnum):
    """Shells that are known."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Which shell.")]) -> None:
    """Print a script that makes a shell complete commands, options and names of objects.

    For bash: `source <(lmctl completion bash)` in ~/.bashrc; for zsh the same in ~/.zshrc, after
    compinit; for fish: `lmctl completion fish > ~/.config/fish/completions/lmctl.fish`.
    """
    script = typers.get_completion_script(  # type: ignore[attr-defined] # has no __all__
        prog_name="lmctl", complete_var=COMPLETING, shell=shell.value
    )
    Printer().data(None, script)


def kinds_and_keys(incomplete: str) -> list[str]:
    """Return kinds and keys of objects that go on so."""
    return [each for each in (*KINDS, *_keys()) if each.startswith(incomplete)]


def keys_or_box(incomplete: str) -> list[str]:
    """Return keys of objects, and the box as a whole."""
    return [each for each in (_BOX, *_keys()) if each.startswith(incomplete)]


def goals(incomplete: str) -> list[str]:
    """Return what can be waited for."""
    return [
        each for each in ("ready", "serving", "gone", "generation=") if each.startswith(incomplete)
    ]


def _keys() -> list[str]:
    """Return what a daemon last knew; a shell that asks must not hear of trouble, nor wait."""
    try:
        with closing(read_store(home_of().database, clock=time.time)) as store:
            return sorted(store.standings.read().keys() - {_BOX})
    except Exception:  # noqa: BLE001 # a damaged home is no reason to write into a half-typed line
        return []
