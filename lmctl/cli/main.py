"""The `lmctl` command: its commands, and how it ends.

Exit codes (design/reconciler.md 3.5): 0 done or in sync; 1 not as it should be; 2 wrong usage or
lmctl failed; 3 a plan that cannot be; 5 not in time.
"""

import io
import os
import sys
from typing import Annotated, TextIO, cast

import typer
from typer import completion

from lmctl import __version__
from lmctl.adapters.outbound import VARIABLE
from lmctl.base.errors import LmctlError
from lmctl.cli.commands import COMPLETING, LateGroup

app = typer.Typer(
    name="lmctl",
    cls=LateGroup,
    help="GitOps for local LLM inference: a directory of YAML becomes a box that serves models.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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
    if COMPLETING in os.environ:
        completion.completion_init()  # type: ignore[attr-defined] # has no __all__
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="replace"
        )  # a glyph the terminal lacks has its word beside it
    try:
        app()
    except LmctlError as problem:
        _say(str(problem), problem.hint)
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
        _say(f"lmctl has a bug: {what}", "LMCTL_DEBUG=1 shows where; please report it")
        sys.exit(2)


def _say(problem: str, hint: str | None) -> None:
    from lmctl.cli.printer import Printer  # takes a while, and is seldom needed here

    Printer().error(problem, hint)


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
