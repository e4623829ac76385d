"""`--frozen`: nothing is resolved that lmctl.lock does not say."""

from typing import Annotated

import typer

from lmctl.cli.printer import Printer
from lmctl.planning.locking import unlocked
from lmctl.reconciler.reading import ReadResult

FrozenOption = Annotated[
    bool, typer.Option("--frozen", help="Refuse when lmctl.lock does not pin every model.")
]
NOT_LOCKED = 3


def refuse_unlocked(reading: ReadResult, printer: Printer) -> None:
    """End with 3, naming every model, when fetching one would have to resolve its sources."""
    found = unlocked(reading.bundle)
    for name, place in found:
        printer.problem(f"{place}: error: model `{name}` is not locked")
    if found:
        printer.problem("hint: `lmctl lock` locks what is missing; then commit lmctl.lock")
        if printer.machine:
            printer.data({"frozen": False, "notLocked": [name for name, _ in found]}, "")
        raise typer.Exit(NOT_LOCKED)
