"""One planned step as everybody is shown it: on the control socket, in JSON, in plan files."""

from collections.abc import Mapping

import msgspec

from lmctl.planning.conditions import Progress
from lmctl.planning.plan import FieldChange, Planned, object_of


class ChangeView(msgspec.Struct, frozen=True, rename={"change_class": "class"}):
    """One field that differs; values as text, empty for none; `place` is `file:line` or empty.
    `subject` is the object it belongs to.
    """

    path: str
    old: str
    new: str
    change_class: str
    place: str
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.old or '(none)'} -> {self.new or '(none)'}"


class StepView(msgspec.Struct, frozen=True, rename="camel"):
    """One step of the plan; sizes in bytes, null when not known; `done` and `total` of a running
    one are in its own unit, `rate` per second. `held`: why it is not done, empty when it may be;
    `blocked`: nobody's policy holds it, it cannot be done. `seconds` is how long it usually takes
    here, null when it never was done. `object` is what a person would say it is about, `place`
    where that stands.
    """

    key: str
    subject: str
    because: str
    after: tuple[str, ...]
    download: int | None
    memory: int | None
    disruption: str
    changes: tuple[ChangeView, ...]
    held: str = ""
    drift: bool = False
    running: bool = False
    progress: str = ""
    done: float = 0.0
    total: float = 0.0
    rate: float = 0.0
    op: str = ""
    object: str = ""
    place: str = ""
    blocked: bool = False
    seconds: float | None = None


def step_of(
    planned: Planned,
    progress: Progress | None = None,
    *,
    place: str = "",
    seconds: float | None = None,
) -> StepView:
    """Return a planned step as the report shows it."""
    subject = object_of(planned)
    return StepView(
        key=planned.key,
        subject=planned.step.subject,
        because=planned.because,
        after=planned.after,
        download=planned.download,
        memory=planned.memory,
        disruption=planned.disruption.words,
        changes=tuple(_change(each, subject) for each in planned.changes),
        held=planned.held,
        drift=planned.drift,
        running=progress is not None,
        progress=progress.text if progress else "",
        done=progress.done if progress else 0.0,
        total=progress.total if progress else 0.0,
        rate=progress.rate if progress else 0.0,
        op=planned.key.partition(" ")[0],
        object=subject,
        place=place,
        blocked=planned.blocked,
        seconds=seconds,
    )


def place_of(planned: Planned, places: Mapping[str, Mapping[str, str]]) -> str:
    """Return where the object of a step stands, empty when no file declares it any more."""
    return places.get(object_of(planned), {}).get("", "")


def _change(each: FieldChange, subject: str) -> ChangeView:
    return ChangeView(
        each.path, each.old, each.new, each.change_class.value, each.place, each.subject or subject
    )
