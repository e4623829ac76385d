"""`load --estimate-only`: what a load would take here, in the lines of `lms`; nothing is loaded."""

import time
from dataclasses import replace
from typing import Final

import typer

from lmctl.adapters.home import Home
from lmctl.base.quantities import format_size
from lmctl.cli.estimate_subjects import Asking, Subjects
from lmctl.cli.printer import Printer
from lmctl.daemon.wiring import Eyes, eyes
from lmctl.planning.fit.estimate import Confidence
from lmctl.planning.fit.outlook import Outlook, outlook
from lmctl.planning.loading import Wish, decide
from lmctl.planning.resolve import HostFacts
from lmctl.reconciler.reading import LastGood, ReadResult, read_revision

DOES_NOT_FIT: Final = 3


def tell_estimate(printer: Printer, home: Home, wish: Wish) -> None:
    """Print what a load would take beside all that runs, and whether it fits.

    Exits with 3 when it does not. Raises what `decide` raises.
    """
    found = _subjects(eyes(home, clock=time.time), wish)
    result = outlook(
        found.estimates, found.weights, beside=found.beside, host=found.host,
        guardrails=found.guardrails,
    )  # fmt: skip
    printer.data(result, _lines(wish, result))
    if not result.fits:
        raise typer.Exit(DOES_NOT_FIT)


def _subjects(see: Eyes, wish: Wish) -> Subjects:
    asking = Asking(see, None, lambda load: load)
    host = see.host()
    desired = _reading(see, host).desired
    known = {each.model for each in desired.weights} | set(host.local_models)
    decision = decide(wish, desired, sorted(known), now=time.time())
    if decision.new is not None:
        beside = (each for each in host.manual if each.name != decision.new.name)
        host = replace(host, manual=(*beside, decision.new))
    return asking.instance(_reading(see, host), decision.name)


def _reading(see: Eyes, host: HostFacts) -> ReadResult:
    """Return what the box was told to be; of one that never was, what lies in its models folder."""
    return LastGood(see.home.last_good).read(host) or read_revision({}, host)


def _lines(wish: Wish, found: Outlook) -> str:
    (row,) = found.instances
    verdict = next(each for each in found.verdicts if each.mode == found.mode)
    total = "not known" if row.total is None else format_size(row.total)
    lines = [f"Model: {wish.model}"]
    if given := (wish.load or {}).get("contextLength"):
        lines.append(f"Context Length: {given}")
    lines += ["Estimated GPU Memory: 0 B", f"Estimated Total Memory: {total}"]
    if row.confidence in (None, Confidence.LOW):
        lines.append("Confidence: LOW")
    fits = "fits" if verdict.fits else "does not fit"
    return "\n".join([*lines, f"Estimate: {fits} ({found.mode}): {verdict.words}"])
