"""How a box is, as one value: what `lmctl status -o json` prints and the control socket answers."""

from collections.abc import Mapping
from dataclasses import replace

import msgspec

from lmctl.base.diagnostics import Diagnostic
from lmctl.base.quantities import format_time
from lmctl.planning.conditions import (
    Condition,
    ConditionType,
    Facts,
    HealthState,
    Progress,
    Reason,
    Standing,
    State,
    Sync,
    Truth,
)
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import SeenGateway
from lmctl.planning.pauses import Hold
from lmctl.planning.step_view import StepView, place_of, step_of
from lmctl.planning.turn import Turn


class ConditionView(msgspec.Struct, frozen=True, rename="camel"):
    """One condition as Kubernetes writes it; `last_transition_time` is RFC 3339, None while nobody
    remembered it.
    """

    type: ConditionType
    status: Truth
    reason: Reason
    message: str
    observed_generation: int
    last_transition_time: str | None = None


class ObjectView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=False):
    """One declared object. `observed_generation` is the one it was judged against,
    `ready_generation` the last one for which it was Ready, 0 for never.
    """

    key: str
    kind: str
    name: str
    ready: bool
    state: State
    message: str
    observed_generation: int
    facts: Facts = {}
    sync: Sync = Sync.SYNCED
    health: HealthState = HealthState.HEALTHY
    ready_generation: int = 0
    conditions: tuple[ConditionView, ...] = ()


class ProblemView(msgspec.Struct, frozen=True, rename="camel"):
    """One diagnostic; `code` is a word for programs, empty for most."""

    severity: str
    file: str
    line: int
    column: int
    message: str
    hint: str | None = None
    code: str = ""


class DaemonView(msgspec.Struct, frozen=True, rename="camel"):
    """The control plane's process."""

    pid: int
    version: str
    started_at: float


class BoxStatus(msgspec.Struct, frozen=True, rename="camel"):
    """Everything about a box. `ready`: every declared object is, and no manifest is broken.

    With a `hold` an earlier generation is in force; `suspended` are objects, or the `box`, that are
    left alone, with the reason.
    """

    ready: bool
    generation: int
    roots: tuple[str, ...]
    url: str | None
    daemon: DaemonView | None
    objects: tuple[ObjectView, ...]
    steps: tuple[StepView, ...]
    problems: tuple[ProblemView, ...]
    state: State = State.RECONCILING
    sync: Sync = Sync.SYNCED
    health: HealthState = HealthState.HEALTHY
    conditions: tuple[ConditionView, ...] = ()
    hold: Hold | None = None
    suspended: dict[str, str] = {}


def view_of(standing: Standing) -> ObjectView:
    """Return how an object stands as an object of the report."""
    return ObjectView(
        key=standing.key,
        kind=standing.kind,
        name=standing.name,
        ready=standing.state is State.READY,
        state=standing.state,
        message=standing.message,
        observed_generation=standing.generation,
        facts=standing.facts,
        sync=standing.sync,
        health=standing.health,
        ready_generation=standing.ready_generation,
        conditions=_conditions_of(standing),
    )


def _conditions_of(standing: Standing) -> tuple[ConditionView, ...]:
    return tuple(_condition_of(each, standing.generation) for each in standing.conditions)


def _condition_of(condition: Condition, generation: int) -> ConditionView:
    return ConditionView(
        type=condition.type,
        status=condition.status,
        reason=condition.reason,
        message=condition.message,
        observed_generation=generation,
        last_transition_time=format_time(condition.since) if condition.since else None,
    )


def problem_of(diagnostic: Diagnostic) -> ProblemView:
    """Return a diagnostic as the report shows it."""
    place = diagnostic.place
    return ProblemView(
        diagnostic.severity.value,
        place.file,
        place.line,
        place.column,
        diagnostic.message,
        diagnostic.hint,
        diagnostic.code,
    )


def box_status(
    turn: Turn,
    *,
    roots: tuple[str, ...] = (),
    daemon: DaemonView | None = None,
    progress: Mapping[str, Progress] | None = None,
) -> BoxStatus:
    """Return a turn as the report; `progress` is of running steps, by key."""
    told = progress or {}
    places = turn.desired.places if turn.desired else {}
    return BoxStatus(
        ready=turn.box.state is State.READY,
        generation=turn.generation,
        roots=roots,
        url=_url(turn.desired, turn.observed.gateway),
        daemon=daemon,
        objects=tuple(view_of(each) for each in turn.standings),
        steps=tuple(
            step_of(each, told.get(each.key), place=place_of(each, places))
            for each in turn.plan.steps
        ),
        problems=tuple(problem_of(each) for each in turn.reading.problems),
        state=turn.box.state,
        sync=turn.box.sync,
        health=turn.box.health,
        conditions=_conditions_of(turn.box),
        hold=turn.reading.hold,
        suspended=dict(turn.desired.suspended) if turn.desired is not None else {},
    )


def _url(desired: DesiredState | None, seen: SeenGateway | None) -> str | None:
    """Return where clients reach the gateway; a port that was left open is the one it got."""
    if desired is None or desired.gateway is None:
        return None
    if desired.gateway.port == 0 and seen is not None and seen.binds:
        port = int(seen.binds[0].rpartition(":")[2])
        return replace(desired.gateway, port=port).url
    return desired.gateway.url
