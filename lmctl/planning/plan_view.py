"""A plan as one value for every view: by object, by step, and what it all comes to."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import Plan
from lmctl.planning.step_view import StepView, place_of, step_of
from lmctl.planning.work import Work, held_back, works

Places = Mapping[str, Mapping[str, str]]


class Totals(msgspec.Struct, frozen=True, rename="camel"):
    """What a plan comes to; sizes in bytes.

    `ops` counts objects by what is done about them, `held` and `blocked` those about which nothing
    is. `download` and the memory figures leave out what is not known yet, which `…_unknown` name.
    `disk` are all weights afterwards. `outage_seconds` is the longest time that requests for one
    object wait, null when not known. `ends` are the objects that are no longer served.
    """

    ops: dict[str, int]
    held: int
    blocked: int
    drift: int
    download: int
    download_unknown: tuple[str, ...]
    disk: int
    memory_before: int
    memory_peak: int
    memory_after: int
    memory_unknown: tuple[str, ...]
    outage_seconds: float | None
    ends: tuple[str, ...]


class PlanView(msgspec.Struct, frozen=True, rename="camel"):
    """What would be done, and what is known of its cost."""

    in_sync: bool
    objects: tuple[Work, ...]
    steps: tuple[StepView, ...]
    totals: Totals

    @property
    def unsatisfiable(self) -> bool:
        """Say whether something is wanted that cannot be done."""
        return self.totals.blocked > 0

    @property
    def doable(self) -> bool:
        """Say whether anything would be done."""
        return any(not each.held for each in self.objects)


def plan_view(
    plan: Plan,
    observed: ObservedState,
    *,
    places: Places,
    typical: Mapping[str, float | None] | None = None,
) -> PlanView:
    """Return the view of a plan; `typical` are seconds by step key, from what was done before."""
    past = typical or {}
    steps = [
        step_of(each, place=place_of(each, places), seconds=past.get(each.key))
        for each in plan.steps
    ]
    running = sum(each.memory for each in observed.runners if each.alive)
    stored = sum(each.stored.size for each in observed.weights.values() if each.stored)
    return view_of_steps(steps, memory=running, disk=stored)


def view_of_steps(steps: Sequence[StepView], *, memory: int, disk: int) -> PlanView:
    """Return the view of these steps; `memory` is what runs now and `disk` the weights there are."""
    objects = works(steps)
    return PlanView(not steps, objects, tuple(steps), _totals(objects, steps, memory, disk))


def only_drift(view: PlanView) -> PlanView:
    """Return what of a plan is drift: objects that moved away without an edit."""
    subjects = {each.key for each in view.objects if each.drift}
    steps = [each for each in view.steps if each.drift]
    totals = view.totals
    shown = view_of_steps(steps, memory=totals.memory_before, disk=totals.disk - totals.download)
    objects = tuple(each for each in shown.objects if each.key in subjects)
    return msgspec.structs.replace(shown, objects=objects)


def _totals(objects: Sequence[Work], steps: Sequence[StepView], memory: int, disk: int) -> Totals:
    active = [each for each in objects if not each.held]
    ops: dict[str, int] = {}
    for each in active:
        ops[each.op] = ops.get(each.op, 0) + 1
    held = held_back(steps)
    doable = [each for each in steps if each.key not in held]
    download = sum(each.download or 0 for each in active)
    peak, after = _memory(doable, memory)
    return Totals(
        ops=ops,
        held=sum(bool(each.held) and not each.blocked for each in objects),
        blocked=sum(each.blocked for each in objects),
        drift=sum(each.drift for each in objects),
        download=download,
        download_unknown=tuple(each.key for each in active if each.download is None),
        disk=disk + download,
        memory_before=memory,
        memory_peak=peak,
        memory_after=after,
        memory_unknown=tuple(each.key for each in active if each.memory_after is None),
        outage_seconds=_longest(each.outage_seconds for each in active if each.op not in _ENDS),
        ends=tuple(each.key for each in active if each.op in _ENDS and each.disruption == "outage"),
    )


_ENDS = ("unload", "stop")


def _longest(outages: Iterable[float | None]) -> float | None:
    found = list(outages)
    return None if None in found else max((each or 0.0 for each in found), default=0.0)


def _memory(steps: Sequence[StepView], before: int) -> tuple[int, int]:
    """Return the most memory there may be at once, and what there is in the end.

    Steps that may run side by side are taken to: everything grows before anything shrinks.
    """
    left, done, now, peak = list(steps), set[str](), before, before
    keys = {each.key for each in steps}
    while left:
        ready = [e for e in left if not (set(e.after) & keys) - done]
        grows = [e for e in ready if (e.memory or 0) >= 0]
        for each in grows or ready:
            now += each.memory or 0
            done.add(each.key)
            left.remove(each)
        peak = max(peak, now)
    return peak, now
