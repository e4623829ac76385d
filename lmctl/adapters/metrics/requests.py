"""What gateway workers count of requests: in memory, or in files that all workers share.

With `$PROMETHEUS_MULTIPROC_DIR` each process writes into a mapped file of its own there (some
microseconds per count, no lock between processes) and whoever is asked adds them up; what an ended
worker counted stays counted.
"""

import os

from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from lmctl.adapters.metrics import catalogue
from lmctl.adapters.metrics.making import Bounded, as_text, counter, gauge, histogram
from lmctl.adapters.metrics.sharing import SHARED


class RequestMetrics:
    """The counts of one process."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = counter(catalogue.REQUESTS, registry)
        self._inflight = gauge(catalogue.INFLIGHT, registry)
        self._parked = gauge(catalogue.PARKED, registry)
        self._rejected = counter(catalogue.REJECTED, registry)
        self._broken = counter(catalogue.BROKEN, registry)
        self._first_token = histogram(catalogue.FIRST_TOKEN, registry)
        self._duration = histogram(catalogue.DURATION, registry)
        self._prompt = histogram(catalogue.PROMPT_TOKENS, registry)
        self._completion = histogram(catalogue.COMPLETION_TOKENS, registry)
        self._bounded = Bounded()

    def began(self) -> None:
        self._inflight.inc()

    def parked(self, change: int) -> None:
        """Count one request more (1) or less (-1) that waits for a runner."""
        self._parked.inc(change)

    def first_token(self, route: str, instance: str, *, seconds: float) -> None:
        self._first_token.labels(*self._bounded((route, instance))).observe(seconds)

    def finished(self, route: str, instance: str, *, prompt: int, completion: int) -> None:
        """Count the tokens of an answer that went well."""
        served = self._bounded((route, instance))
        self._prompt.labels(*served).observe(prompt)
        self._completion.labels(*served).observe(completion)

    def broke(self, route: str, instance: str) -> None:
        self._broken.labels(*self._bounded((route, instance))).inc()

    def ended(self, route: str, instance: str, *, code: int, seconds: float) -> None:
        """Count a request that is over, however it went."""
        self._inflight.dec()
        served = self._bounded((route, instance))
        self._requests.labels(*served, str(code)).inc()
        self._duration.labels(*served).observe(seconds)

    def rejected(self, reason: str) -> None:
        self._rejected.labels(reason).inc()

    def text(self) -> bytes:
        """Return the counts of all workers; blocks for some milliseconds to read their files."""
        folder = os.environ.get(SHARED)
        if folder is None:
            return as_text(self._registry)
        together = CollectorRegistry()
        MultiProcessCollector(together, folder)  # type: ignore[no-untyped-call]
        return as_text(together)
