"""Options and arguments several commands share."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from lmctl.base.quantities import parse_duration
from lmctl.cli.printer import Output, PlanOutput


def _duration(text: object) -> float:
    """Read a duration; a bare number is seconds."""
    try:
        return parse_duration(int(text) if isinstance(text, str) and text.isdigit() else text)
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem


Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Folders of manifests.", show_default=False)
]
OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="How data is shown on stdout.")
]
PlanOutputOption = Annotated[
    PlanOutput, typer.Option("--output", "-o", help="How the plan is shown on stdout.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, only problems and data.")]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout", parser=_duration, metavar="DURATION", help="Give up after, e.g. 30s."
    ),
]


def absolute(roots: list[Path]) -> list[Path]:
    """Return folders as absolute paths; a link stays a link, so that it may be swapped later."""
    return [Path(os.path.abspath(each.expanduser())) for each in roots]  # noqa: PTH100


def interactive() -> bool:
    """Say whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
