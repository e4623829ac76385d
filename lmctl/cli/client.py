"""The command line's end of the daemon's socket."""

from collections.abc import Generator, Sequence
from typing import Any

import httpx2
import msgspec

from lmctl.adapters.home import Home
from lmctl.adapters.sqlite import Event
from lmctl.base.errors import LmctlError, Unreachable
from lmctl.planning.report import BoxStatus

_DEADLINE = 35.0  # seconds; one turn may hash files


class DaemonClient:
    """Asks a running daemon. Every method raises Unreachable when none answers."""

    def __init__(self, home: Home) -> None:
        self._home = home
        transport = httpx2.HTTPTransport(uds=str(home.control))
        self._http = httpx2.Client(
            transport=transport, base_url="http://lmctl/lmctl/v1/", timeout=_DEADLINE
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def status(self) -> BoxStatus:
        return msgspec.json.decode(self._ask("GET", "status"), type=BoxStatus)

    def follow(self, roots: Sequence[str]) -> BoxStatus:
        """Make the daemon follow these folders; returns how things are after it read them."""
        answer = self._ask("POST", "apply", {"roots": list(roots)})
        return msgspec.json.decode(answer, type=BoxStatus)

    def shutdown(self, *, keep: bool) -> None:
        self._ask("POST", "shutdown", {"keep": keep})

    def events(self, after: int) -> list[Event]:
        answer = msgspec.json.decode(self._ask("GET", f"events?after={after}"))
        return [msgspec.convert(each, Event) for each in answer["events"]]

    def watch(self) -> Generator[BoxStatus, None, None]:
        """Yield how things are now, after every change and every second, until the daemon ends."""
        for line in self._lines("status?watch=1"):
            yield msgspec.json.decode(line, type=BoxStatus)

    def watch_events(self, after: int) -> Generator[Event, None, None]:
        """Yield events as they happen."""
        for line in self._lines(f"events?after={after}&watch=1"):
            yield msgspec.json.decode(line, type=Event)

    def _lines(self, path: str) -> Generator[str, None, None]:
        try:
            with self._http.stream("GET", path, timeout=60.0) as answer:
                yield from answer.iter_lines()
        except httpx2.HTTPError as problem:
            raise self._nobody(problem) from problem

    def _ask(self, method: str, path: str, body: Any = None) -> bytes:
        try:
            answer = self._http.request(method, path, json=body)
        except httpx2.HTTPError as problem:
            raise self._nobody(problem) from problem
        if answer.status_code >= 400:
            raise LmctlError(f"the daemon answered {answer.status_code}: {answer.text[:300]}")
        return answer.content

    def _nobody(self, problem: Exception) -> Unreachable:
        if isinstance(problem, httpx2.ConnectError):
            return Unreachable(
                f"no daemon runs for `{self._home.root}`",
                hint="`lmctl apply DIR` or `lmctl daemon up` starts one",
            )
        return Unreachable(f"the daemon of `{self._home.root}` does not answer: {problem}")
