"""Requests made of `/openapi.json`, to a gateway that must neither break nor answer otherwise than it
says there.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# What a request may bring that every version acts on: with nothing else it is answered.
PLAIN = {
    "input", "instructions", "max_output_tokens", "max_tokens", "messages", "model", "prompt",
    "stop", "store", "stream", "system", "system_prompt", "temperature", "top_p",
}  # fmt: skip


@dataclass
class Fuzzing:
    """How requests are made, and how often each path answered with which status.

    `often` is of each operation: by turns in plain words and as described, and as often otherwise. `names` are
    values of fields that make a request one that can be answered, by the path they are for.
    """

    url: str
    often: int = 5
    token: str = ""
    skipped: tuple[str, ...] = ()
    response_id: str = "resp_none"
    names: dict[str, dict[str, Any]] = field(default_factory=dict)
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)

    def run(self) -> "Fuzzing":
        """Ask every operation."""
        for found in schemathesis.openapi.from_url(self.url).get_all_operations():
            operation = found.ok()
            if operation.path in self.skipped:
                continue
            self._ask(operation, GenerationMode.POSITIVE)
            if operation.body:
                self._ask(operation, GenerationMode.NEGATIVE)
        return self

    def of(self, wanted: Callable[[str], bool] = lambda _: True) -> Counter[int]:
        """Return how often which status came, of the paths that are wanted."""
        found: Counter[int] = Counter()
        for (path, status), count in self.statuses.items():
            found[status] += count if wanted(path) else 0
        return +found

    def _ask(self, operation: Any, mode: GenerationMode) -> None:
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}

        plain = cycle((mode is GenerationMode.POSITIVE, False))

        @given(operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=self.often,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            if next(plain):
                self._plain(case, operation.path)
            answer = case.call_and_validate(checks=CHECKS, timeout=60, headers=headers)
            self.statuses[operation.path, answer.status_code] += 1

        ask()

    def _plain(self, case: Any, path: str) -> None:
        """Make a request one that can be answered, whoever serves it."""
        if path in self.names:
            case.body = self.names[path]
        elif isinstance(case.body, dict):
            case.body = {name: value for name, value in case.body.items() if name in PLAIN}
            case.body["model"] = "chat"
        if case.method == "GET" and "response_id" in (case.path_parameters or {}):
            case.path_parameters["response_id"] = self.response_id
