"""Watching a box until it is what it should be, with progress on stderr."""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from lmctl.base.errors import Unreachable
from lmctl.base.quantities import format_duration
from lmctl.cli.chains import blocking_chain
from lmctl.cli.client import DaemonClient
from lmctl.cli.goals import Ended, Goal, hopeless, judge, missing, watched
from lmctl.cli.printer import Printer
from lmctl.cli.render import render_problem
from lmctl.cli.selecting import key_of, what_there_is
from lmctl.planning.conditions import State
from lmctl.planning.report import BoxStatus, ObjectView

_TROUBLE = (State.RETRYING, State.STALLED)
_READY = Goal()


@dataclass(frozen=True, slots=True)
class Followed:
    """How waiting ended: the last status, and the exit code it means."""

    status: BoxStatus
    code: int


def follow_until(
    client: DaemonClient,
    printer: Printer,
    *,
    timeout: float,
    wanted: Sequence[str] = (),
    goal: Goal = _READY,
) -> Followed:
    """Return once everything, or what is named, is as the goal says: with code 0.

    A goal without a generation is bound to the one that is current when waiting begins. Code 1
    when it is hopeless, 2 when the manifests are broken, 5 after `timeout` seconds; why was told.
    """
    names = tuple(key_of(each) for each in wanted)
    deadline = time.monotonic() + timeout
    teller = _Teller(printer)
    try:
        with closing(client.watch()) as statuses:
            for last in statuses:
                goal = replace(goal, generation=goal.generation or last.generation)
                ended = judge(last, goal, names)
                if ended not in (Ended.HOPELESS, Ended.BROKEN):
                    teller.tell(last)
                if ended is None and time.monotonic() > deadline:
                    ended = Ended.LATE
                if ended is not None:
                    teller.close()
                    _tell_end(printer, _Wait(last, goal, names), ended, timeout)
                    return Followed(last, ended.value)
    finally:
        teller.close()
    raise Unreachable("the daemon ended while this waited")


@dataclass(frozen=True, slots=True)
class _Wait:
    status: BoxStatus
    goal: Goal
    names: tuple[str, ...]


def _tell_end(printer: Printer, wait: _Wait, ended: Ended, timeout: float) -> None:
    match ended:
        case Ended.HOPELESS:
            for each in hopeless(wait.status, wait.goal, wait.names):
                state = "suspended, " if each.state is State.SUSPENDED else ""
                printer.error(f"{each.key}: {state}{each.message}")
        case Ended.BROKEN:
            printer.error("the manifests are broken; the last good ones stay desired")
            _tell_lines(printer, map(render_problem, wait.status.problems))
        case Ended.LATE:
            printer.error(f"not {wait.goal.what} after {format_duration(timeout)}")
            _tell_lines(printer, _blocking(wait))
            _tell_lines(printer, map(render_problem, wait.status.problems))
        case Ended.REACHED if not wait.names:
            for each in wait.status.objects:
                if each.state is State.SUSPENDED:
                    printer.note(f"not waited for, it is suspended: {each.key}")


def _tell_lines(printer: Printer, lines: Iterable[str]) -> None:
    for line in lines:
        printer.problem(f"  {line}")


def _blocking(wait: _Wait) -> Iterator[str]:
    """Yield what is not as it should be, each with the chain of what it waits for."""
    status, goal = wait.status, wait.goal
    if not status.roots:
        yield "the daemon follows no folder; `lmctl apply DIR` gives it one"
    if status.generation < goal.generation:
        yield f"generation {status.generation} is desired, not {goal.generation} yet"
    for each in watched(status, goal, wait.names):
        if goal.what == "gone":
            yield f"{each.key} is still declared"
        elif not goal.met_by(each):
            yield blocking_chain(status, each.key)
    for name in missing(status, wait.names) if goal.what != "gone" else ():
        yield f"{name} is not declared; {what_there_is(status.objects, name)}"


class _Teller:
    """On a terminal one live line per unfinished object; elsewhere a line per change.

    The first trouble of each object is told always, also when notes are silenced.
    """

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._said: dict[str, str] = {}
        self._troubled: set[str] = set()
        self._live = None
        if printer.err.is_terminal and not printer.quiet:
            from rich.live import Live

            self._live = Live(console=printer.err, refresh_per_second=8, transient=True)
            self._live.start()

    def tell(self, status: BoxStatus) -> None:
        for each in status.objects:
            said = _sentence(each)
            if self._said.get(each.key) != said:
                self._said[each.key] = said
                if each.state in _TROUBLE and each.key not in self._troubled:
                    self._troubled.add(each.key)
                    self._printer.problem(said)
                elif each.ready or self._live is None:
                    self._printer.note(said)
        if self._live is not None:
            from rich.text import Text

            unfinished = [self._said[each.key] for each in status.objects if not each.ready]
            self._live.update(Text("\n".join(unfinished)))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


def _sentence(view: ObjectView) -> str:
    mark = {State.READY: "ok", State.RETRYING: "retry", State.STALLED: "stalled"}
    mark[State.SUSPENDED] = "held"
    return f"  {mark.get(view.state, '...'):<7}  {view.key}: {view.message}"
