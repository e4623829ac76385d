"""What runners say of themselves, as metrics of the moment."""

from collections.abc import Iterable, Iterator, Mapping
from operator import attrgetter

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from lmctl.adapters.metrics import catalogue
from lmctl.adapters.metrics.catalogue import Metric
from lmctl.adapters.metrics.making import as_text
from lmctl.base.spec import RunnerStatus

_Family = CounterMetricFamily | GaugeMetricFamily


def runners_text(statuses: Mapping[str, RunnerStatus | None]) -> bytes:
    """Return the metrics of instances by name; None is one whose runner did not answer."""
    registry = CollectorRegistry()
    registry.register(_Runners(statuses))
    return as_text(registry)


def control_plane_text(*, up: bool) -> bytes:
    """Return whether the daemon answered."""
    registry = CollectorRegistry()
    registry.register(_ControlPlane(up=up))
    return as_text(registry)


class _ControlPlane(Collector):
    def __init__(self, *, up: bool) -> None:
        self._up = up

    def collect(self) -> Iterable[_Family]:
        yield _family(catalogue.CONTROL_PLANE_UP, [((), float(self._up))])


class _Runners(Collector):
    def __init__(self, statuses: Mapping[str, RunnerStatus | None]) -> None:
        self._statuses = sorted(statuses.items())

    def collect(self) -> Iterator[_Family]:
        there = [(name, status) for name, status in self._statuses if status is not None]
        yield _family(
            catalogue.INSTANCE_UP,
            [((name,), float(status is not None)) for name, status in self._statuses],
        )
        yield _family(
            catalogue.INSTANCE_PHASE, [((name, each.phase.value), 1.0) for name, each in there]
        )
        for metric, field in _FIELDS:
            samples = [((name,), float(attrgetter(field)(status))) for name, status in there]
            yield _family(metric, samples)


_FIELDS = (
    (catalogue.INSTANCE_RUNNING, "running"),
    (catalogue.INSTANCE_QUEUED, "queued"),
    (catalogue.INSTANCE_SLOTS, "parallel"),
    (catalogue.INSTANCE_MEMORY, "memory"),
    (catalogue.INSTANCE_REQUESTS, "requests"),
    (catalogue.INSTANCE_TOKENS, "tokens"),
    (catalogue.INSTANCE_GENERATING, "work.generating"),
    (catalogue.INSTANCE_PROMPT_TOKENS, "work.prompt_tokens"),
    (catalogue.INSTANCE_CACHED_TOKENS, "work.cached_tokens"),
    (catalogue.INSTANCE_DRAFTED, "work.drafted"),
    (catalogue.INSTANCE_ACCEPTED, "work.accepted"),
    (catalogue.INSTANCE_HELD, "work.held"),
    (catalogue.INSTANCE_ROOM, "work.room"),
    (catalogue.INSTANCE_RATE, "work.rate"),
    (catalogue.INSTANCE_STARTED, "started_at"),
)


def _family(metric: Metric, samples: Iterable[tuple[tuple[str, ...], float]]) -> _Family:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family
