"""Everything the control plane does and finds, written down: journal, events and log.

A memory that cannot be written (a full disk) is complained about and keeps nobody from work: what
is there can always be seen again.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import structlog

from lmctl.adapters.state.database import StateUnwritable
from lmctl.adapters.state.journal import Ending
from lmctl.adapters.state.store import Store
from lmctl.base.faults import point
from lmctl.daemon.drifting import DriftTeller
from lmctl.daemon.memory import PeakMemory, StandingMemory
from lmctl.planning.conditions import Standing, State
from lmctl.planning.desired import DesiredState
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled, Superseded, Waiting
from lmctl.planning.plan import Planned
from lmctl.planning.policies import converged, with_reported_drift_forgotten
from lmctl.planning.pruning import BLOCKED
from lmctl.planning.standings import ORPHAN
from lmctl.planning.step_view import place_of, step_of
from lmctl.planning.summary import result, summary
from lmctl.planning.turn import Turn

log = structlog.get_logger("lmctl.daemon")


class Recorder:
    """Writes for one daemon; `changed` is told after every event."""

    def __init__(
        self, store: Store, *, clock: Callable[[], float], changed: Callable[[], None]
    ) -> None:
        self._store = store
        self._memory = StandingMemory(store.standings, clock)
        self.peaks = PeakMemory(store.peaks)
        self._changed = changed
        self._actions: dict[str, int] = {}
        self._told: dict[str, object] = {}
        self._generation = 0
        self.drift = DriftTeller(self.event)
        self.converged = store.converged.read()

    def woke(self) -> None:
        """Close what an earlier daemon began and never ended: it is looked at, not done again."""
        with _softly():
            for each in self._store.journal.interrupt():
                log.warning("step was interrupted", step=each.step, started_at=each.started_at)
                self.event(each.subject, "Interrupted", f"{each.step}: the daemon ended meanwhile")

    def began(self, planned: Planned, generation: int) -> None:
        """Write down that a step is about to run, durably before it does anything."""
        self._generation = generation
        self.drift.found(planned)
        log.info("step started", step=planned.key, because=planned.because)
        with _softly():
            self._actions[planned.key] = self._store.journal.began(
                step=planned.key,
                subject=planned.step.subject,
                generation=generation,
                because=planned.because,
            )
        point("journal.begun")
        self.event(planned.step.subject, "Started", f"{planned.key}: {planned.because}")

    def ended(self, planned: Planned, outcome: Outcome) -> None:
        """Write down how a step ended."""
        point("journal.acted")
        number = self._actions.pop(planned.key, None)
        ending, note, failure = _ending(outcome)
        if number is not None:
            with _softly():
                self._store.journal.ended(number, ending, note, failure=failure)
        point("journal.ended")
        subject, message = planned.step.subject, f"{planned.key}: {note}"
        match outcome:
            case Done():
                log.info("step done", step=planned.key, note=note)
                self.event(subject, "Done", message)
            case Failed():
                log.warning("step failed", step=planned.key, kind=failure, reason=note)
                self.event(subject, "Failed", message, "warning")
            case Stalled():
                log.error("step stalled", step=planned.key, reason=note)
                self.event(subject, "Stalled", message, "error")
            case Waiting():
                log.info("step waits", step=planned.key, reason=note)
            case Superseded():
                log.info("step superseded", step=planned.key, reason=note)
                self.event(subject, "Superseded", message)

    def event(self, subject: str, reason: str, message: str, level: str = "info") -> None:
        """Tell people that something happened."""
        with _softly():
            self._store.events.record(
                subject, reason, message, level=level, generation=self._generation
            )
        self._changed()

    def turn(self, turn: Turn) -> None:
        """Note what is new since the loop last looked at everything."""
        self._generation = turn.generation
        self._memory.dated(turn)
        with _softly():
            self._memory.keep()
        with _softly():
            self.peaks.learn(turn.observed)
        self._remember(turn)
        self._tell_generation(turn)
        self._tell_problems(turn)
        self.drift.turn(turn.plan)
        for standing in turn.standings:
            self._tell_owner(standing)
            self._tell_budget(standing)
            if self._is_new(standing.key, standing.state) and standing.state is State.READY:
                log.info("ready", object=standing.key, message=standing.message)
                self.event(standing.key, "Ready", standing.message)

    def asked_to_correct(self, desired: DesiredState | None) -> None:
        """Count drift that is only reported as work: a person asked for all to be as declared."""
        if desired is not None:
            self.converged = with_reported_drift_forgotten(desired, self.converged)

    def dated(self, turn: Turn) -> Turn:
        """Return the turn with what is remembered of each object: since when it is as it is."""
        return self._memory.dated(turn)

    def _remember(self, turn: Turn) -> None:
        """Note what is as it is wanted, so that what moves away later is known as drift."""
        if turn.desired is None:
            return
        with_work = frozenset(each.step.subject for each in turn.plan.steps)
        now = converged(turn.desired, with_work, self.converged)
        if now != self.converged:
            with _softly():
                self._store.converged.remember(now)
            self.converged = now

    def _tell_generation(self, turn: Turn) -> None:
        """Note what a new generation sets out to do, and later what became of it."""
        number = turn.generation
        if not number:
            return
        if self._is_new("generation", number):
            log.info("new generation", generation=number)
            held = f": {turn.reading.hold}" if turn.reading.hold else ""
            self.event("box", "Generation", f"generation {number} is desired{held}")
            self._keep_plan(turn)
        ended = result(turn)
        if self._is_new("result", (number, ended)) and ended:
            with _softly():
                self._store.generations.ended(number, ended)

    def _keep_plan(self, turn: Turn) -> None:
        places = turn.desired.places if turn.desired is not None else {}
        steps = [step_of(each, place=place_of(each, places)) for each in turn.plan.steps]
        with _softly():
            self._store.generations.planned(
                turn.generation, summary(turn.plan), msgspec.json.encode(steps)
            )

    def _tell_problems(self, turn: Turn) -> None:
        fatal = [f"{each.place}: {each.message}" for each in turn.reading.problems if each.fatal]
        if self._is_new("problems", fatal) and fatal:
            log.warning("manifests are broken", problems=fatal)
            message = f"{len(fatal)} problem(s), the last good manifests stay desired: {fatal[0]}"
            guarded = all(each.code == BLOCKED for each in turn.reading.problems if each.fatal)
            self.event("box", BLOCKED if guarded else "Invalid", message, "error")

    def _tell_owner(self, standing: Standing) -> None:
        owner = standing.facts.get("owner")
        if self._is_new(f"owner of {standing.key}", owner) and owner == ORPHAN:
            self.event(standing.key, "Orphaned", standing.message, "warning")

    def _tell_budget(self, standing: Standing) -> None:
        over = standing.facts.get("overBudget")
        if self._is_new(f"budget of {standing.key}", bool(over)) and over:
            self.event(standing.key, "OverBudget", str(over), "warning")

    def _is_new(self, key: str, value: object) -> bool:
        before = self._told.get(key)
        self._told[key] = value
        return before != value


def _ending(outcome: Outcome) -> tuple[Ending, str, str]:
    """Return an outcome as the journal has it: ending, note, kind of failure."""
    match outcome:
        case Done(note):
            return Ending.DONE, note, ""
        case Waiting(reason):
            return Ending.WAITING, reason, ""
        case Failed(reason, kind):
            return Ending.FAILED, reason, kind.value
        case Stalled(reason):
            return Ending.STALLED, reason, ""
        case Superseded(reason):
            return Ending.SUPERSEDED, reason, ""


@contextmanager
def _softly() -> Iterator[None]:
    try:
        yield
    except StateUnwritable as error:
        log.error("cannot remember", why=str(error), hint=error.hint)  # noqa: TRY400 # its words say all
