"""Watching a box until it is what it should be, with progress on stderr."""

import time
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from lmctl.base.errors import Unreachable
from lmctl.base.quantities import format_duration
from lmctl.cli.client import DaemonClient
from lmctl.cli.printer import Printer
from lmctl.cli.render import render_problem
from lmctl.cli.selecting import select
from lmctl.planning.conditions import State
from lmctl.planning.report import BoxStatus, ObjectView

_TROUBLE = (State.RETRYING, State.STALLED)


@dataclass(frozen=True, slots=True)
class Followed:
    """How waiting ended: the last status, and the exit code it means."""

    status: BoxStatus
    code: int


def follow_until_ready(
    client: DaemonClient,
    printer: Printer,
    *,
    timeout: float,
    wanted: Sequence[str] = (),
) -> Followed:
    """Return once everything (or what is named) is Ready, with code 0.

    With 1 when something of it stalls, 2 when the manifests are broken, and 5 after `timeout`
    seconds; what blocks was told then. Raises NotFound when what is named is not declared.
    """
    teller = _Teller(printer)
    deadline = time.monotonic() + timeout
    try:
        with closing(client.watch()) as statuses:
            for last in statuses:
                code = _judge(last, wanted)
                if code not in (1, 2):
                    teller.tell(last)
                if code is None and time.monotonic() > deadline:
                    code = 5
                if code is not None:
                    teller.close()
                    _tell_end(printer, last, wanted, code, timeout)
                    return Followed(last, code)
    finally:
        teller.close()
    raise Unreachable("the daemon ended while this waited")


def _judge(status: BoxStatus, wanted: Sequence[str]) -> int | None:
    """Return the exit code this status means, None: go on waiting."""
    if any(each.severity == "error" for each in status.problems):
        return 2
    watched = _watched(status, wanted)
    if any(each.state is State.STALLED for each in watched):
        return 1
    if wanted:
        return 0 if watched and all(each.ready for each in watched) else None
    return 0 if status.ready else None


def _watched(status: BoxStatus, wanted: Sequence[str]) -> list[ObjectView]:
    if not wanted:
        return list(status.objects)
    if not status.roots or not status.generation:
        return []  # the manifests were not read yet
    return [each for word in wanted for each in select(status.objects, word)]


def _tell_end(
    printer: Printer, status: BoxStatus, wanted: Sequence[str], code: int, timeout: float
) -> None:
    match code:
        case 1:
            for each in _watched(status, wanted):
                if each.state is State.STALLED:
                    printer.error(f"{each.key}: {each.message}")
        case 2:
            printer.error("the manifests are broken; the last good ones stay desired")
            _tell_lines(printer, map(render_problem, status.problems))
        case 5:
            printer.error(f"not ready after {format_duration(timeout)}")
            _tell_lines(printer, _blocking(status, wanted))
            _tell_lines(printer, map(render_problem, status.problems))


def _tell_lines(printer: Printer, lines: Iterable[str]) -> None:
    for line in lines:
        printer.problem(f"  {line}")


def _blocking(status: BoxStatus, wanted: Sequence[str]) -> Iterable[str]:
    if not status.roots:
        yield "the daemon follows no folder; `lmctl apply DIR` gives it one"
    for each in _watched(status, wanted):
        if not each.ready:
            yield f"{each.key}: {each.state.value}: {each.message}"


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
    return f"  {mark.get(view.state, '...'):<7}  {view.key}: {view.message}"
