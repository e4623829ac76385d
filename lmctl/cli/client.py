"""The command line's end of the daemon's socket."""

from collections.abc import Generator, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import httpx2
import msgspec

from lmctl.adapters.control_socket import transport
from lmctl.adapters.home import Home
from lmctl.adapters.state.events import Event, Filter
from lmctl.base.errors import LmctlError, NotFound, Refused, Stale, Unreachable
from lmctl.planning.pauses import Suspension
from lmctl.planning.plan_file import PlanFile
from lmctl.planning.report import BoxStatus

_DEADLINE = 35.0  # seconds; one turn may hash files
_FOLLOW_DEADLINE = 70.0  # two turns
_WATCH_DEADLINE = 60.0  # a watcher gets a line every second


_ALL = Filter()


class NoDaemon(Unreachable):
    """Nobody listens and nobody holds the lock."""


class DaemonClient:
    """Asks a running daemon.

    Every method raises NoDaemon when none runs, Unreachable when one does not answer.
    """

    def __init__(self, home: Home, *, deadline: float = _DEADLINE) -> None:
        home.check_sockets()
        self._home = home
        self._http = httpx2.Client(
            transport=transport(home.control),
            base_url="http://lmctl/lmctl/v1/",
            timeout=deadline,
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def answers(self) -> bool:
        """Say whether somebody answers, without a look at who holds the lock."""
        try:
            return self._http.get("status").is_success
        except httpx2.HTTPError:
            return False

    def status(self) -> BoxStatus:
        return msgspec.json.decode(self._ask("GET", "status"), type=BoxStatus)

    def follow(
        self, roots: Sequence[str], only: Sequence[str] = (), *, allow_prune: int = 0
    ) -> BoxStatus:
        """Make the daemon follow these folders; returns how things are after it read them. As many
        as `allow_prune` objects may be gone from them.

        With `only`, nothing but these objects and what they need is worked on until the next edit.
        """
        body = {"roots": list(roots), "only": list(only), "allowPrune": allow_prune}
        answer = self._ask("POST", "apply", body, timeout=_FOLLOW_DEADLINE)
        return msgspec.json.decode(answer, type=BoxStatus)

    def apply(self, file: PlanFile) -> BoxStatus:
        """Make the daemon do exactly this; returns how things are after it began.

        Raises Stale, saying what moved, when other steps would come out now.
        """
        body = {"plan": msgspec.to_builtins(file)}
        answer = self._ask("POST", "apply", body, timeout=_FOLLOW_DEADLINE)
        return msgspec.json.decode(answer, type=BoxStatus)

    def rollback(self, generation: int | None, *, by: str, reason: str) -> BoxStatus:
        """Bring a generation back and hold what the folders say; returns how things are then.

        Raises NotFound or Refused when that cannot be.
        """
        body = {"generation": generation, "by": by, "reason": reason}
        answer = self._ask("POST", "rollback", body, timeout=_FOLLOW_DEADLINE)
        return msgspec.json.decode(answer, type=BoxStatus)

    def suspend(self, new: Suspension) -> BoxStatus:
        """Leave something alone. Raises NotFound when it is not declared."""
        body = {"subject": new.subject, "reason": new.reason, "by": new.by, "until": new.until}
        answer = self._ask("POST", "suspend", body, timeout=_FOLLOW_DEADLINE)
        return msgspec.json.decode(answer, type=BoxStatus)

    def resume(self, what: str, *, by: str) -> list[str]:
        """End the suspension of a subject, the `hold` of a rollback, or `all`; returns what ended.

        Raises NotFound when there is no such thing, Refused when a manifest suspends the subject.
        """
        body = {"what": what, "by": by}
        answer = msgspec.json.decode(self._ask("POST", "resume", body, timeout=_FOLLOW_DEADLINE))
        return [str(each) for each in answer["ended"]]

    def load(self, wish: dict[str, Any]) -> dict[str, Any]:
        """Ask for a model beside what files declare; returns what it is called and whether it is new.

        Raises NotFound or Refused when that cannot be.
        """
        answer = self._ask("POST", "instances", wish, timeout=_FOLLOW_DEADLINE)
        return msgspec.json.decode(answer, type=dict[str, Any])

    def unload(self, name: str) -> dict[str, Any]:
        """Unload what was loaded by hand; returns once it is gone.

        Raises NotFound when there is no such thing, Refused when a file declares it.
        """
        path = f"instances/{quote(name)}"
        return msgspec.json.decode(self._ask("DELETE", path, timeout=None), type=dict[str, Any])

    def reconcile(self) -> None:
        """Look again now; failures are forgiven."""
        self._ask("POST", "reconcile")

    def retry_tools(self, label: str) -> None:
        """Connect to a tool server now. Raises NotFound when it is not hosted."""
        self._ask("POST", f"tools/{quote(label)}/retry")

    def shutdown(self, *, keep: bool) -> None:
        self._ask("POST", "shutdown", {"keep": keep})

    def events(self, after: int, wanted: Filter = _ALL) -> list[Event]:
        answer = msgspec.json.decode(self._ask("GET", _events(after, wanted)))
        return [msgspec.convert(each, Event) for each in answer["events"]]

    def watch(self) -> Generator[BoxStatus, None, None]:
        """Yield how things are now, after every change and every second, until the daemon ends."""
        for line in self._lines("status?watch=1", silence=_WATCH_DEADLINE):
            yield msgspec.json.decode(line, type=BoxStatus)

    def watch_events(self, after: int, wanted: Filter = _ALL) -> Generator[Event, None, None]:
        """Yield events as they happen."""
        for line in self._lines(f"{_events(after, wanted)}&watch=1", silence=None):
            yield msgspec.json.decode(line, type=Event)

    def _lines(self, path: str, *, silence: float | None) -> Generator[str, None, None]:
        timeout = httpx2.Timeout(_DEADLINE, read=silence)
        try:
            with self._http.stream("GET", path, timeout=timeout) as answer:
                yield from answer.iter_lines()
        except httpx2.HTTPError as problem:
            raise self._nobody(problem) from problem

    def _ask(
        self, method: str, path: str, body: Any = None, *, timeout: float | None = None
    ) -> bytes:
        patience = self._http.timeout if timeout is None else httpx2.Timeout(timeout)
        try:
            answer = self._http.request(method, path, json=body, timeout=patience)
        except httpx2.HTTPError as problem:
            raise self._nobody(problem) from problem
        if answer.status_code >= 400:
            raise _error_of(answer)
        return answer.content

    def _nobody(self, problem: Exception) -> Unreachable:
        holder = self._home.holder()
        if holder is not None:
            who = holder or "unknown"
            return Unreachable(
                f"the daemon of `{self._home.root}` (pid {who}) does not answer: {problem}",
                hint=f"it may be starting or ending, see {self._home.logs}/daemon.log; if it stays"
                f" so: `kill -9 {who}`, then `lmctl daemon up` or `lmctl daemon down`",
            )
        if isinstance(problem, httpx2.ConnectError):
            return NoDaemon(
                f"no daemon runs for `{self._home.root}`",
                hint="`lmctl apply DIR` or `lmctl daemon up` starts one",
            )
        return Unreachable(f"the daemon of `{self._home.root}` went away: {problem}")


def _events(after: int, wanted: Filter) -> str:
    return f"events?{urlencode({'after': after, 'for': wanted.subject, 'level': wanted.level})}"


class _Told(msgspec.Struct):
    message: str
    hint: str | None = None
    moved: tuple[str, ...] = ()


class _Answer(msgspec.Struct):
    error: _Told


def _error_of(answer: httpx2.Response) -> LmctlError:
    """Return the error the daemon raised, as far as it can be told from its answer."""
    try:
        told = msgspec.json.decode(answer.content, type=_Answer).error
    except msgspec.DecodeError:
        return LmctlError(f"the daemon answered {answer.status_code}: {answer.text[:300]}")
    if answer.status_code == 412:
        return Stale(told.message, told.moved, hint=told.hint)
    kind = {404: NotFound, 409: Refused}.get(answer.status_code, LmctlError)
    return kind(told.message, hint=told.hint)
