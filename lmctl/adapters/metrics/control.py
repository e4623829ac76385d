"""What the control plane counts of its own work."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge

from lmctl.adapters.metrics import catalogue
from lmctl.adapters.metrics.making import Bounded, as_text, counter, gauge, histogram
from lmctl.base.diagnostics import Severity
from lmctl.base.spec import FailureKind, Phase
from lmctl.planning.conditions import Progress, Standing, State, Truth
from lmctl.planning.fit.budget import budget
from lmctl.planning.fit.need import needed
from lmctl.planning.observed import SeenRunner
from lmctl.planning.outcome import Done, Failed, Outcome
from lmctl.planning.plan import FetchWeights, Planned, UnloadInstance, VerifyWeights
from lmctl.planning.turn import Turn

_DECLARED = "Declared"


class ControlMetrics:
    """The counts of one daemon, from its start. `clock` counts seconds, from anywhere."""

    def __init__(self, clock: Callable[[], float]) -> None:
        registry = self._registry = CollectorRegistry()
        self._clock = clock
        self._turns = counter(catalogue.TURNS, registry)
        self._turn_duration = histogram(catalogue.TURN_DURATION, registry)
        self._steps = counter(catalogue.STEPS, registry)
        self._step_duration = histogram(catalogue.STEP_DURATION, registry)
        self._drain = histogram(catalogue.DRAIN, registry)
        self._verify_failures = counter(catalogue.VERIFY_FAILURES, registry)
        self._downloaded = counter(catalogue.DOWNLOADED, registry)
        self._drift = counter(catalogue.DRIFT, registry)
        self._world = _World(registry)
        self._queue = _Queue(registry, clock)
        self._restarts = _Restarts(registry)
        self._replacements = _Replacements(registry, clock)
        self._read_at = clock()
        gauge(catalogue.SOURCE_AGE, registry).set_function(lambda: clock() - self._read_at)
        self._turn_began = clock()
        self._began: dict[str, float] = {}
        self._fetched: dict[str, float] = {}
        self._drifting: frozenset[str] = frozenset()

    def text(self) -> bytes:
        """Return all of it in the exposition format."""
        return as_text(self._registry)

    def turn_began(self) -> None:
        self._turn_began = self._clock()

    def turn_broke(self) -> None:
        self._turns.labels("broke").inc()

    def turn(self, turn: Turn, *, digest: str, running: frozenset[str]) -> None:
        """Count a turn; `digest` is the desired generation's, `running` the steps under way."""
        now = self._clock()
        self._turns.labels("done").inc()
        self._turn_duration.observe(now - self._turn_began)
        if turn.desired is not None and not turn.reading.broken:
            self._read_at = now
        drifting = {each.key: each for each in turn.plan.steps if each.drift}
        for key in drifting.keys() - self._drifting:
            self._drift.labels(_kind(drifting[key]), _op(drifting[key])).inc()
        self._drifting = frozenset(drifting)
        self._world.is_now(turn, digest)
        self._queue.holds(each.key for each in turn.plan.doable() if each.key not in running)
        self._restarts.saw(turn)
        self._replacements.saw(turn)

    def began(self, planned: Planned) -> None:
        """Count a step as under way."""
        self._began[planned.key] = self._clock()

    def ended(self, planned: Planned, outcome: Outcome) -> None:
        """Count how a step ended, and how long it took."""
        kind, op = _kind(planned), _op(planned)
        seconds = self._clock() - self._began.pop(planned.key, self._clock())
        self._fetched.pop(planned.key, None)
        self._steps.labels(kind, op, type(outcome).__name__.lower()).inc()
        self._step_duration.labels(kind, op).observe(seconds)
        match planned.step, outcome:
            case UnloadInstance(), Done():
                self._drain.observe(seconds)
            case ((FetchWeights() | VerifyWeights()), Failed(kind=FailureKind.INTEGRITY)):
                self._verify_failures.inc()

    def downloaded(self, size: int) -> None:
        """Count bytes somebody asked to download, beside those that are declared."""
        self._downloaded.inc(size)

    def progress(self, key: str, progress: Progress) -> None:
        """Count what was fetched since the last word; what was there before it is not counted."""
        if not key.startswith("fetch "):
            return
        before = self._fetched.get(key, progress.done)
        self._fetched[key] = progress.done
        self._downloaded.inc(max(0.0, progress.done - before))


class _World:
    """Gauges of how things are: objects by condition, generation, problems, memory."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._objects = gauge(catalogue.OBJECTS, registry)
        self._generation = gauge(catalogue.GENERATION, registry)
        self._info = gauge(catalogue.GENERATION_INFO, registry)
        self._problems = gauge(catalogue.PROBLEMS, registry)
        self._memory = gauge(catalogue.MEMORY, registry)

    def is_now(self, turn: Turn, digest: str) -> None:
        _set_all(self._objects, _tally(turn.standings))
        self._generation.set(turn.generation)
        _set_all(self._info, {(str(turn.generation), digest[:12]): 1})
        for severity in Severity:
            count = sum(each.severity is severity for each in turn.reading.problems)
            self._problems.labels(severity.value).set(count)
        _set_all(self._memory, _memory(turn))


class _Queue:
    """What could run and does not yet, and for how long."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}
        gauge(catalogue.QUEUE_DEPTH, registry).set_function(lambda: len(self._since))
        gauge(catalogue.QUEUE_AGE, registry).set_function(self._age)

    def holds(self, keys: Iterable[str]) -> None:
        now = self._clock()
        self._since = {key: self._since.get(key, now) for key in keys}

    def _age(self) -> float:
        return self._clock() - min(self._since.values(), default=self._clock())


class _Restarts:
    """Counts runners that died or hung and are to be replaced, each once."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._total = counter(catalogue.RESTARTS, registry)
        self._bounded = Bounded()
        self._seen: frozenset[str] = frozenset()

    def saw(self, turn: Turn) -> None:
        wanted = {each.step.subject for each in turn.plan.doable()}
        gone = {
            each.uid: each
            for each in turn.observed.runners
            if (each.phase is Phase.FAILED or each.hung) and not each.retired
        }
        for uid in gone.keys() - self._seen:
            if f"instance/{gone[uid].name}" in wanted:
                self._total.labels(*self._bounded((gone[uid].name, _reason(gone[uid])))).inc()
        self._seen = frozenset(gone)


class _Replacements:
    """Measures from the moment an instance that served is no longer as declared until it is."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        self._seconds = histogram(catalogue.REPLACE, registry)
        self._clock = clock
        self._since: dict[str, float] = {}
        self._ready: frozenset[str] = frozenset()

    def saw(self, turn: Turn) -> None:
        now = self._clock()
        objects = {each.key: each for each in turn.standings if each.kind == "instance"}
        ready = frozenset(key for key, each in objects.items() if each.state is State.READY)
        for key in self._since.keys() & ready:
            self._seconds.observe(now - self._since[key])
        began = dict.fromkeys(self._ready & objects.keys(), now)
        going_on = objects.keys() - ready
        self._since = {key: at for key, at in (began | self._since).items() if key in going_on}
        self._ready = ready


def _tally(standings: Iterable[Standing]) -> dict[tuple[str, ...], float]:
    """Count the objects of each kind, and those for which each condition is True."""
    found: Tally[tuple[str, ...]] = Tally()
    for each in standings:
        found[each.kind, _DECLARED] += 1
        for condition in each.conditions:
            found[each.kind, condition.type.value] += condition.status is Truth.TRUE
    return dict(found)


def _memory(turn: Turn) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    if turn.observed.host is not None and turn.desired is not None:
        size = budget(turn.observed.host, turn.desired.guardrails).size
        if size is not None:
            found["", "budget"] = size
    for want in turn.desired.instances if turn.desired is not None else ():
        need = needed(want, turn.observed)
        if need is not None:
            found[want.name, "estimate"] = need
    for each in turn.observed.runners:
        if each.alive:
            key = (each.name, "observed")
            found[key] = found.get(key, 0) + each.memory
    return found


def _set_all(metric: Gauge, values: dict[tuple[str, ...], float]) -> None:
    """Make these the only series of a gauge; they are names of manifests, so few."""
    metric.clear()
    for labels, value in list(values.items())[: catalogue.MOST_SERIES]:
        metric.labels(*labels).set(value)


def _reason(seen: SeenRunner) -> str:
    if seen.hung:
        return "hung"
    return seen.failure.value if seen.failure is not None else "unknown"


def _kind(planned: Planned) -> str:
    return planned.step.subject.partition("/")[0]


def _op(planned: Planned) -> str:
    return planned.key.partition(" ")[0]
