"""What `wait` waits for, and what a status means for it: reached, hopeless, or go on waiting."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from lmctl.base.errors import Refused
from lmctl.cli.selecting import matching
from lmctl.planning.conditions import ConditionType, State, Truth
from lmctl.planning.report import BoxStatus, ObjectView

EXPECTED = "ready, serving, gone or generation=N"


class Ended(IntEnum):
    """How waiting ended, as the exit code of it."""

    REACHED = 0
    HOPELESS = 1
    BROKEN = 2
    LATE = 5


@dataclass(frozen=True, slots=True)
class Goal:
    """What is waited for, judged for `generation` or a later one."""

    what: Literal["ready", "serving", "gone"] = "ready"
    generation: int = 0

    @classmethod
    def parse(cls, text: str) -> "Goal":
        """Read `ready`, `serving`, `gone` or `generation=7` (Ready for that one or a later).

        Raises Refused for anything else.
        """
        name, _, number = text.partition("=")
        if name == "generation" and number.isdigit():
            return cls("ready", int(number))
        if text in ("ready", "serving", "gone"):
            return cls(text)  # type: ignore[arg-type] # one of the three
        raise Refused(f"cannot wait for `{text}`", hint=f"expected: {EXPECTED}")

    def met_by(self, view: ObjectView) -> bool:
        """Say whether an object is as is waited for, judged for the right generation."""
        if view.observed_generation < self.generation:
            return False
        if self.what == "ready":
            return view.ready
        return self.what == "serving" and any(
            each.type is ConditionType.SERVING and each.status is Truth.TRUE
            for each in view.conditions
        )


def judge(status: BoxStatus, goal: Goal, wanted: Sequence[str]) -> Ended | None:
    """Return how it ended, or None: go on waiting. `wanted` are kinds and keys, none: everything."""
    if any(each.severity == "error" for each in status.problems):
        return Ended.BROKEN
    if not status.roots or not status.generation or status.generation < goal.generation:
        return None  # not read yet: what is judged is older than what is waited for
    if any(True for _ in hopeless(status, goal, wanted)):
        return Ended.HOPELESS
    reached = _named(status, goal, wanted) if wanted else _everything(status, goal)
    return Ended.REACHED if reached else None


def hopeless(status: BoxStatus, goal: Goal, wanted: Sequence[str]) -> Iterator[ObjectView]:
    """Yield what will not become as is waited for until somebody does something.

    What is suspended counts only where it was named: nobody expects more of the others.
    """
    if goal.what == "gone":
        return
    for each in watched(status, goal, wanted):
        stuck = each.state is State.STALLED or (each.state is State.SUSPENDED and bool(wanted))
        if stuck and each.observed_generation >= goal.generation and not goal.met_by(each):
            yield each


def watched(status: BoxStatus, goal: Goal, wanted: Sequence[str]) -> list[ObjectView]:
    """Return the objects that are waited for, as far as they are declared."""
    if wanted:
        return [each for word in wanted for each in matching(status.objects, word)]
    if goal.what == "serving":
        return [each for each in status.objects if each.kind == "instance"]
    return list(status.objects)


def missing(status: BoxStatus, wanted: Sequence[str]) -> list[str]:
    """Return what was named and is not declared, yet or any more."""
    return [each for each in wanted if not matching(status.objects, each)]


def _named(status: BoxStatus, goal: Goal, wanted: Sequence[str]) -> bool:
    if goal.what == "gone":
        at_work = {word for each in status.steps for word in _words(each.object)}
        return missing(status, wanted) == list(wanted) and at_work.isdisjoint(wanted)
    found = watched(status, goal, wanted)
    return not missing(status, wanted) and all(goal.met_by(each) for each in found)


def _everything(status: BoxStatus, goal: Goal) -> bool:
    aside = {each.key for each in status.objects if each.state is State.SUSPENDED}
    left = [each for each in watched(status, goal, ()) if each.key not in aside]
    if goal.what == "serving":
        return all(goal.met_by(each) for each in left)
    at_work = {each.object for each in status.steps}
    return all(goal.met_by(each) for each in left) and at_work <= aside


def _words(key: str) -> tuple[str, str]:
    """Return the words that name an object: its key, and its kind."""
    return key, key.partition("/")[0]
