"""Metrics of the catalogue as prometheus-client's objects, and what they come to as text."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from lmctl.adapters.metrics.catalogue import MOST_SERIES, OTHER, Metric

disable_created_metrics()  # type: ignore[no-untyped-call] # a second series for each, which nobody asks for

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def counter(metric: Metric, registry: CollectorRegistry) -> Counter:
    """Return a counter; over several processes it is the sum of all there ever were."""
    return Counter(metric.name, metric.help, metric.labels, registry=registry)


def gauge(metric: Metric, registry: CollectorRegistry) -> Gauge:
    """Return a gauge; over several processes it is the sum of those that live."""
    return Gauge(
        metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode="livesum"
    )


def histogram(metric: Metric, registry: CollectorRegistry) -> Histogram:
    """Return a histogram; over several processes as a counter."""
    return Histogram(
        metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets
    )


def as_text(registry: CollectorRegistry) -> bytes:
    """Return all metrics of a registry in the exposition format."""
    return generate_latest(registry)


class Bounded:
    """Keeps the number of label sets in bounds, whatever the names that come."""

    def __init__(self, most: int = MOST_SERIES) -> None:
        self._most = most
        self._known: set[tuple[str, ...]] = set()

    def __call__(self, labels: Iterable[str]) -> tuple[str, ...]:
        """Return the labels, or as many times `OTHER` once there are too many of them."""
        wanted = tuple(labels)
        if wanted not in self._known:
            if len(self._known) >= self._most:
                return (OTHER,) * len(wanted)
            self._known.add(wanted)
        return wanted
