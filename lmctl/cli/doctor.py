"""`doctor`: everything people trip over, looked at in one go, each with what to do about it."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import home_of
from lmctl.base.errors import Refused
from lmctl.cli.options import OutputOption, Quiet, absolute
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_doctor import Finding, fail, failed, render_findings


def doctor(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders; default: those the box follows."),
    ] = None,
    offline: Annotated[
        bool, typer.Option("--offline", help="Ask nothing over the network.")
    ] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Look at everything that can be in the way, and say what to do about it. Changes nothing.

    Exit code 0: nothing is in the way, though something may be worth a look; 1: something is.
    """
    printer = Printer(output, quiet=quiet)
    found = _findings(absolute(directories or []), offline=offline)
    printer.data({"healthy": not failed(found), "findings": found}, render_findings(found))
    if failed(found):
        raise typer.Exit(1)


def _findings(given: list[Path], *, offline: bool) -> list[Finding]:
    from lmctl.cli.doctor_box import box, look
    from lmctl.cli.doctor_machine import machine

    try:
        home = home_of()
    except Refused as problem:
        return [fail("home", str(problem), problem.hint or "")]
    roots = given or [Path(each) for each in Followed(home.root / "roots.json").roots()]
    gone = [each for each in roots if not each.is_dir()]
    fix = "`lmctl apply DIR` follows another"
    lost = [fail("folder", f"{each} is not there", fix) for each in gone]
    looked = asyncio.run(look(home, [each for each in roots if each not in gone]))
    there = machine(home, offline=offline, hub_needed=looked.hub_needed)
    return [*there, *lost, *box(home, looked)]
