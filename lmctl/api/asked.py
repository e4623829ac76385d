"""One request for generated text, as the metrics will tell of it."""

import time

from lmctl.adapters.metrics.requests import RequestMetrics
from lmctl.base.talk import Usage


class Asked:
    """Counts a request once: what it was served by, when it began to speak, and how it ended."""

    def __init__(self, metrics: RequestMetrics) -> None:
        self._metrics = metrics
        self._at = time.perf_counter()
        self._route = self._instance = ""
        self._rejected = ""
        self._spoke = self._broke = False
        self._usage: Usage | None = None
        metrics.began()

    def aimed_at(self, route: str) -> None:
        """Note which Route or instance it is for; empty when there is none of that name."""
        self._route = route

    def opened(self, instance: str) -> None:
        """Note that a runner has begun to answer."""
        self._instance = instance

    def spoke(self) -> None:
        """Note that text has come; only the first counts."""
        if not self._spoke:
            self._spoke = True
            seconds = time.perf_counter() - self._at
            self._metrics.first_token(self._route, self._instance, seconds=seconds)

    def used(self, usage: Usage) -> None:
        """Note what all answers that went well so far took together."""
        self._usage = usage

    def broke(self) -> None:
        """Note that it ended with an error after its status was out."""
        self._broke = True

    def rejected(self, reason: str) -> None:
        """Note that it gets an error instead of an answer."""
        self._rejected = reason

    def over(self, status: int) -> None:
        """Count it: the last byte is out, or the client left."""
        metrics, route, instance = self._metrics, self._route, self._instance
        if self._usage is not None:
            usage = self._usage
            metrics.finished(
                route, instance, prompt=usage.prompt_tokens, completion=usage.completion_tokens
            )
        if self._broke:
            metrics.broke(route, instance)
        if self._rejected:
            metrics.rejected(self._rejected)
        metrics.ended(route, instance, code=status, seconds=time.perf_counter() - self._at)
