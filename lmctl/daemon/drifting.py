"""Tells of drift: once when something moved away, with what is done about it; and counts."""

from collections import Counter
from collections.abc import Callable
from typing import Literal

from lmctl.planning.plan import Plan, Planned

Tell = Callable[[str, str, str, str], None]
"""Writes an event: subject, reason, message, level."""
Dealt = Literal["corrected", "reported"]


class DriftTeller:
    """Follows the plans of one daemon. `counts` are of kinds of subject and how it was dealt with,
    since the daemon started.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._drifted: set[str] = set()
        self.counts: Counter[tuple[str, Dealt]] = Counter()

    def found(self, planned: Planned) -> None:
        """Tell of a step that is there because something moved away, unless that is known."""
        subject = planned.step.subject
        if not planned.drift or subject in self._drifted:
            return
        self._drifted.add(subject)
        dealt: Dealt = "reported" if planned.held else "corrected"
        self.counts[subject.partition("/")[0], dealt] += 1
        what = planned.held or "corrected now"
        self._tell(subject, "Drifted", f"{_moved(planned)}; {what}", "warning")

    def turn(self, plan: Plan) -> None:
        """Tell what is new in a plan; what is in none any more is as declared again."""
        for each in plan.steps:
            self.found(each)
        self._drifted &= {each.step.subject for each in plan.steps if each.drift}


def _moved(planned: Planned) -> str:
    changes = "; ".join(map(str, planned.changes))
    return f"{planned.because} ({changes})" if changes else planned.because
