"""The `lmctl` command: its commands, and how it ends.

Exit codes (design/reconciler.md 3.5): 0 done or in sync; 1 not as it should be; 2 wrong usage or
lmctl failed; 3 a plan that cannot be; 5 not in time.
"""

import io
import os
import sys
from typing import Annotated, TextIO, cast

import typer

from lmctl import __version__
from lmctl.adapters.outbound import VARIABLE
from lmctl.base.errors import LmctlError
from lmctl.cli import (
    applying,
    beginning,
    by_hand,
    changes,
    chatting,
    completing,
    daemon,
    doctor,
    downloads,
    editing,
    estimating,
    explain,
    formatting,
    getting,
    history,
    importing,
    listing,
    locking,
    log_stream,
    looking,
    pausing,
    plans,
    presets,
    running,
    runtimes,
    schemas,
    secrets,
    serving,
    state,
    storing,
    tokens,
    tool_servers,
    why,
)
from lmctl.cli.json_flag import read_json_flag
from lmctl.cli.printer import Printer

app = typer.Typer(
    name="lmctl",
    help="GitOps for local LLM inference: a directory of YAML becomes a box that serves models.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(beginning.init)
app.command()(changes.validate)
app.command()(changes.diff)
app.command()(changes.plan)
app.command()(applying.apply)
app.command()(locking.lock)
app.command()(storing.verify)
app.command()(storing.gc)
app.command()(plans.show)
app.command()(looking.wait)
app.command()(looking.status)
app.command()(getting.get)
app.command()(listing.ls)
app.command()(running.ps)
app.command()(chatting.chat)
app.command()(looking.events)
app.command(name="explain")(explain.explain)
app.command(name="set")(editing.set_fields)
app.command(name="fmt")(formatting.fmt)
app.command(name="schema")(schemas.schemas)
app.command()(estimating.estimate)
app.command()(estimating.facts)
app.command(name="secrets")(secrets.secrets)
app.command(name="import")(importing.import_files)
app.command()(by_hand.load)
app.command()(by_hand.unload)
app.command()(downloads.search)
app.command()(downloads.rm)
app.command()(pausing.rollback)
app.command()(pausing.suspend)
app.command()(pausing.resume)
app.command()(pausing.reconcile)
app.command(name="why")(why.why)
app.command(name="doctor")(doctor.doctor)
app.command()(completing.completion)
app.add_typer(downloads.app, name="downloads")
app.add_typer(tokens.app, name="token")
app.add_typer(tool_servers.app, name="mcp")
app.add_typer(presets.app, name="preset")
app.add_typer(runtimes.app, name="runtime")
app.add_typer(history.app, name="history")
app.add_typer(state.app, name="state")
app.add_typer(daemon.app, name="daemon")
app.add_typer(serving.app, name="server")
app.add_typer(log_stream.app, name="log")
read_json_flag(app)


def _version(*, value: bool) -> None:
    if value:
        sys.stdout.write(f"lmctl {__version__}\n")
        raise typer.Exit


def _offline(*, value: bool) -> None:
    if value:
        os.environ[VARIABLE] = "1"


@app.callback()
def _root(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=lambda value: _version(value=value), is_eager=True)
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline",
            callback=lambda value: _offline(value=value),
            help="Send nothing to another machine; a daemon it starts does neither.",
        ),
    ] = False,
) -> None:
    """Describe an inference box in files; see what would change; make it so."""


def run() -> None:
    """Run the command line; every lmctl error becomes one message with a hint and exit code 2."""
    _open_missing_streams()
    completing.prepare()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="replace"
        )  # a glyph the terminal lacks has its word beside it
    try:
        app()
    except LmctlError as problem:
        Printer().error(str(problem), problem.hint)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as problem:
        if os.environ.get("LMCTL_DEBUG"):
            raise
        what = f"{type(problem).__name__}: {problem}"
        Printer().error(f"lmctl has a bug: {what}", "LMCTL_DEBUG=1 shows where; please report it")
        sys.exit(2)


def _open_missing_streams() -> None:
    """Make closed standard streams lead nowhere, so that no other file becomes one of them."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
    sys.stdin = sys.stdin or _nowhere("r")
    sys.stdout = sys.stdout or _nowhere("w")
    sys.stderr = sys.stderr or _nowhere("w")


def _nowhere(mode: str) -> TextIO:
    return cast("TextIO", open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123
