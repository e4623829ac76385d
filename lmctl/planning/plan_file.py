"""A plan as a file: what was shown, for whom it was made, and what must still be so.

It holds no secret: values are those of a diff, addresses are bare, and what the steps are is told by
fingerprints under a key of this box. Who applies it plans anew and does it only when the same steps
come out; so an edited file does nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from lmctl.base.digests import canonical, digest, short
from lmctl.manifests.secret_words import hide_known
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import Plan
from lmctl.planning.plan_view import PlanView, Totals, view_of_steps
from lmctl.planning.preconditions import content_of, seen_of
from lmctl.planning.report import ProblemView
from lmctl.planning.step_view import StepView

VERSION: Final = 1

Fingerprint = Callable[[bytes], str]


class GitRevision(msgspec.Struct, frozen=True, rename="camel"):
    """The commit a folder of manifests stood at; `dirty`: it differed from that."""

    commit: str
    dirty: bool


class Revision(msgspec.Struct, frozen=True, rename="camel"):
    """What the plan was made from: the folders and the digest of what they said."""

    digest: str
    roots: tuple[str, ...]
    git: GitRevision | None = None


class Precondition(msgspec.Struct, frozen=True, rename="camel"):
    """How a subject was: in words, and as a fingerprint."""

    subject: str
    seen: str
    fingerprint: str


class Action(msgspec.Struct, frozen=True, rename="camel"):
    """A step as it was shown, the fingerprint of all it says, and what it was planned upon."""

    step: StepView
    fingerprint: str
    precondition: Precondition


class PlanFile(msgspec.Struct, frozen=True, rename="camel"):
    """A plan that was written down. `id` is the digest of everything else in it.

    `lineage` and `base_serial` are of the state database; `only` are the objects it is limited to,
    none for all, and as many as `allow_prune` may be gone from the folders. `actions` are done, `blocked` are not.
    """

    plan_version: int
    lmctl_version: str
    id: str
    host_id: str
    lineage: str
    base_serial: int
    created_at: str
    revision: Revision
    only: tuple[str, ...]
    allow_prune: int
    actions: tuple[Action, ...]
    blocked: tuple[Action, ...]
    warnings: tuple[ProblemView, ...]
    totals: Totals

    @property
    def view(self) -> PlanView:
        """Return the plan as it was shown."""
        steps = [each.step for each in (*self.actions, *self.blocked)]
        stored = self.totals.disk - self.totals.download
        return view_of_steps(steps, memory=self.totals.memory_before, disk=stored)

    @property
    def whole(self) -> bool:
        """Say whether nobody changed it since it was written."""
        return self.id == _identity(self)


class Origin(msgspec.Struct, frozen=True):
    """Whose plan it is: of which lmctl, host and database, when (ISO 8601, UTC)."""

    version: str
    host_id: str
    lineage: str
    serial: int
    at: str


@dataclass(frozen=True, slots=True)
class Proposed:
    """A plan, what was seen for it, and how it is shown; `warnings` are of the manifests."""

    plan: Plan
    observed: ObservedState
    view: PlanView
    warnings: tuple[ProblemView, ...] = ()


def plan_file(
    proposed: Proposed,
    *,
    origin: Origin,
    revision: Revision,
    fingerprint: Fingerprint,
    only: Sequence[str] = (),
    allow_prune: int = 0,
) -> PlanFile:
    """Return a plan as it is written down."""
    actions = tuple(_actions(proposed, fingerprint))
    unfinished = PlanFile(
        plan_version=VERSION,
        lmctl_version=origin.version,
        id="",
        host_id=origin.host_id,
        lineage=origin.lineage,
        base_serial=origin.serial,
        created_at=origin.at,
        revision=revision,
        only=tuple(only),
        allow_prune=allow_prune,
        actions=tuple(each for each in actions if not each.step.held),
        blocked=tuple(each for each in actions if each.step.held),
        warnings=proposed.warnings,
        totals=proposed.view.totals,
    )
    clean = msgspec.convert(_hidden(msgspec.to_builtins(unfinished)), PlanFile)
    return msgspec.structs.replace(clean, id=_identity(clean))


def encode(file: PlanFile) -> bytes:
    """Return the one text equal plans share."""
    pretty = msgspec.json.format(canonical(msgspec.to_builtins(file)).encode(), indent=2)
    return pretty + b"\n"


def moved(file: PlanFile, now: PlanFile, *, consumed: str = "") -> Iterator[str]:
    """Yield why a plan may not be applied, in a person's words; nothing when it may.

    `now` is the plan that would be made of the same folders at this moment, `consumed` says when
    this one was applied.
    """
    if consumed:
        yield f"it was applied already, {consumed}"
        return
    if file.host_id != now.host_id:
        yield "it was made on another host"
    if file.lineage != now.lineage:
        yield (
            f"it was made for another state database: {short(file.lineage)}, here {short(now.lineage)}"
        )
    elif file.base_serial != now.base_serial:
        ended = now.base_serial - file.base_serial
        yield f"the box went on since: {ended} action(s) ended (serial {file.base_serial}, now {now.base_serial})"
    if file.revision.digest != now.revision.digest:
        yield (
            f"the manifests changed: {short(file.revision.digest)}, now {short(now.revision.digest)}"
        )
    yield from _moved_actions(file, now)


def _moved_actions(file: PlanFile, now: PlanFile) -> Iterator[str]:
    then = {each.step.key: each for each in (*file.actions, *file.blocked)}
    fresh = {each.step.key: each for each in (*now.actions, *now.blocked)}
    subjects = {each.precondition.subject: each.precondition for each in fresh.values()}
    for was in dict.fromkeys(each.precondition for each in then.values()):
        is_now = subjects.get(was.subject)
        if is_now is not None and is_now.fingerprint != was.fingerprint:
            yield f"{was.subject}: was {was.seen}, now {is_now.seen}"
    for key, action in then.items():
        if key not in fresh:
            yield f"no longer needed: {key}"
        elif action.fingerprint != fresh[key].fingerprint:
            yield f"would do something else now: {key}"
        elif bool(action.step.held) != bool(fresh[key].step.held):
            why = fresh[key].step.held
            yield f"not to be done now: {key}: {why}" if why else f"could be done now: {key}"
    yield from (f"also needed now: {key}" for key in fresh if key not in then)


def _actions(proposed: Proposed, fingerprint: Fingerprint) -> Iterator[Action]:
    shown = {each.key: each for each in proposed.view.steps}
    for each in proposed.plan.steps:
        seen, words = seen_of(each.step, proposed.observed)
        mark = fingerprint(canonical(seen).encode())
        yield Action(
            step=shown[each.key],
            fingerprint=fingerprint(canonical((content_of(each.step), each.after)).encode()),
            precondition=Precondition(each.step.subject, words, mark),
        )


def _identity(file: PlanFile) -> str:
    return digest(msgspec.to_builtins(msgspec.structs.replace(file, id="")))


def _hidden(value: Any) -> Any:
    """Return plain values with whatever looks like a secret taken out of their texts."""
    match value:
        case str():
            return hide_known(value)
        case dict():
            return {key: _hidden(each) for key, each in value.items()}
        case list() | tuple():
            return [_hidden(each) for each in value]
    return value
