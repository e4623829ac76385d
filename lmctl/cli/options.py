"""Options and arguments several commands share."""

import os
import re
import sys
from datetime import datetime, time, timedelta
from pathlib import Path
from typing import Annotated

import typer

from lmctl.base.quantities import parse_duration
from lmctl.cli.printer import Output, PlanOutput


def duration(text: object) -> float:
    """Read a duration; a bare number is seconds."""
    try:
        return parse_duration(int(text) if isinstance(text, str) and text.isdigit() else text)
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from problem


def _instant(text: str) -> float:
    """Read a duration from now, a time of day, or a date and time (local unless it says otherwise)."""
    now = datetime.now().astimezone()
    try:
        return now.timestamp() + parse_duration(text)
    except ValueError:
        pass
    try:
        if re.fullmatch(r"\d{1,2}:\d{2}", text):
            today = datetime.combine(now.date(), time.fromisoformat(f"{text:0>5}")).astimezone()
            return (today if today > now else today + timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text).astimezone().timestamp()
    except ValueError as problem:
        expected = "expected a duration (2h), a time (18:30) or a date and time (2026-11-25T18:30)"
        raise typer.BadParameter(expected) from problem


Until = Annotated[
    float | None,
    typer.Option(
        "--until",
        parser=_instant,
        metavar="WHEN",
        help="When it ends by itself: 2h, 18:30, a date.",
    ),
]
Directories = Annotated[
    list[Path], typer.Argument(metavar="DIR...", help="Folders of manifests.", show_default=False)
]
OutputOption = Annotated[
    Output,
    typer.Option(
        "--output", "-o", "--json", help="How data is shown on stdout; `--json` is `-o json`."
    ),
]
PlanOutputOption = Annotated[
    PlanOutput,
    typer.Option(
        "--output", "-o", "--json", help="How the plan is shown on stdout; `--json` is `-o json`."
    ),
]
Host = Annotated[str | None, typer.Option("--host", metavar="HOST:PORT|URL", help="Another box.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No notes, only problems and data.")]
Timeout = Annotated[
    float,
    typer.Option("--timeout", parser=duration, metavar="DURATION", help="Give up after, e.g. 30s."),
]
Grace = Annotated[
    float,
    typer.Option(
        "--grace", parser=duration, metavar="DURATION", help="Only what is unused this long."
    ),
]

Patience = Annotated[
    float,
    typer.Option(
        "--patience",
        parser=duration,
        metavar="DURATION",
        help="Begin nothing before somebody applied, for so long at most.",
    ),
]


def absolute(roots: list[Path]) -> list[Path]:
    """Return folders as absolute paths; a link stays a link, so that it may be swapped later."""
    return [Path(os.path.abspath(each.expanduser())) for each in roots]  # noqa: PTH100


def interactive() -> bool:
    """Say whether a person can be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()
