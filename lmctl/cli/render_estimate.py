"""Estimates as text for people. Pure: the same value gives the same words."""

from collections.abc import Sequence

from lmctl.base.quantities import format_size
from lmctl.cli.render import table
from lmctl.planning.fit.estimate import Confidence
from lmctl.planning.fit.outlook import Outlook, Row

_NOTES = {
    None: "nothing is known of its weights yet",
    Confidence.LOW: "at least: only the size of its weights is known yet",
    Confidence.MEASURED: "measured here",
    Confidence.HIGH: "",
}


def render_outlook(found: Outlook) -> str:
    """Return instances by what they take, and what each guardrail says to all of them."""
    head = ("INSTANCE", "WEIGHTS", "CACHE", "COMPUTE", "OVERHEAD", "LEARNED", "TOTAL", "")
    rows = [head, *(_row(each) for each in found.instances)]
    if len(found.instances) > 1:
        rows.append(("together", *[""] * 5, format_size(found.together), ""))
    lines = table(rows)
    if found.beside:
        lines.append(f"beside what runs and stays: {format_size(found.beside)}")
    return "\n".join([*lines, "", *_verdicts(found)])


def _row(each: Row) -> tuple[str, ...]:
    learned = f"{'+' if each.learned > 0 else '-'}{format_size(abs(each.learned))}"
    return (
        each.name,
        *(_size(part) for part in (each.weights, each.cache, each.compute, each.overhead)),
        learned if each.learned else "",
        _size(each.total),
        _NOTES[each.confidence],
    )


def _verdicts(found: Outlook) -> Sequence[str]:
    rows = [("GUARDRAIL", "FOR MODELS", "VERDICT")]
    for each in found.verdicts:
        force = " (in force)" if each.mode == found.mode else ""
        size = "no limit" if each.budget is None else format_size(each.budget)
        verdict = "fits" if each.fits else "does not fit"
        rows.append((f"{each.mode}{force}", size, f"{verdict}: {each.words}"))
    return table(rows)


def _size(size: int | None) -> str:
    return "?" if size is None else format_size(size)
