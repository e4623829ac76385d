"""A turn in the words of the history: what a generation set out to do, and what became of it."""

from typing import Literal

from lmctl.planning.conditions import State
from lmctl.planning.plan import Plan
from lmctl.planning.turn import Turn


def summary(plan: Plan) -> str:
    """Return a plan in a line: `1 to fetch, 2 to load`."""
    counts: dict[str, int] = {}
    for each in plan.steps:
        verb = each.key.partition(" ")[0]
        counts[verb] = counts.get(verb, 0) + 1
    return ", ".join(f"{count} to {verb}" for verb, count in counts.items()) or "nothing to do"


def result(turn: Turn) -> Literal["", "converged", "failed"]:
    """Return what became of the turn's generation so far; empty while that is open.

    A newest edit that is broken says nothing of the generation in force. A failed one may yet
    converge.
    """
    states = {each.state for each in turn.standings}
    if turn.desired is None or not states:
        return ""
    if states == {State.READY} and turn.plan.empty:
        return "converged"
    return "failed" if State.STALLED in states else ""
