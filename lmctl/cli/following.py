"""Watching a box until it is what it should be, with progress on stderr."""

import time
from collections.abc import Iterable
from contextlib import closing
from typing import NoReturn

import typer

from lmctl.base.errors import Unreachable
from lmctl.base.quantities import format_duration
from lmctl.cli.client import DaemonClient
from lmctl.cli.printer import Printer
from lmctl.planning.conditions import State
from lmctl.planning.report import BoxStatus, ObjectView


def follow_until_ready(
    client: DaemonClient,
    printer: Printer,
    *,
    timeout: float,
    keys: tuple[str, ...] = (),
) -> BoxStatus:
    """Return once everything (or the objects named) is Ready.

    Exits with 1 when one of them stalls and with 5 after `timeout` seconds, naming what blocks.
    """
    teller = _Teller(printer)
    deadline = time.monotonic() + timeout
    try:
        with closing(client.watch()) as statuses:
            for last in statuses:
                teller.tell(last)
                if any(each.state is State.STALLED for each in _watched(last, keys)):
                    _fail(printer, last, keys)
                if _all_ready(last, keys):
                    return last
                if time.monotonic() > deadline:
                    _late(printer, last, keys, timeout)
    finally:
        teller.close()
    raise Unreachable("the daemon ended while this waited")


def _late(printer: Printer, status: BoxStatus, keys: tuple[str, ...], timeout: float) -> NoReturn:
    printer.error(f"not ready after {format_duration(timeout)}")
    for line in _blocking(status, keys):
        printer.problem(f"  {line}")
    raise typer.Exit(5)


def _watched(status: BoxStatus, keys: tuple[str, ...]) -> list[ObjectView]:
    return [each for each in status.objects if not keys or each.key in keys]


def _all_ready(status: BoxStatus, keys: tuple[str, ...]) -> bool:
    if not keys:
        return status.ready
    found = {each.key: each.ready for each in status.objects}
    return all(found.get(key, False) for key in keys)


def _fail(printer: Printer, status: BoxStatus, keys: tuple[str, ...]) -> NoReturn:
    for each in _watched(status, keys):
        if each.state is State.STALLED:
            printer.error(f"{each.key}: {each.message}")
    raise typer.Exit(1)


def _blocking(status: BoxStatus, keys: tuple[str, ...]) -> Iterable[str]:
    found = {each.key: each for each in status.objects}
    for key in keys:
        if key not in found:
            yield f"{key}: not declared"
    for each in _watched(status, keys):
        if not each.ready:
            yield f"{each.key}: {each.state.value}: {each.message}"


class _Teller:
    """On a terminal one live line per unfinished object; elsewhere a line per change."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._said: dict[str, str] = {}
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
                if each.ready or self._live is None:
                    self._printer.note(said)
        if self._live is not None:
            from rich.text import Text

            unfinished = [self._said[each.key] for each in status.objects if not each.ready]
            self._live.update(Text("\n".join(unfinished)))

    def close(self) -> None:
        if self._live is not None:
            self._live.stop()


def _sentence(view: ObjectView) -> str:
    mark = {State.READY: "ok", State.RETRYING: "retry", State.STALLED: "stalled"}
    return f"  {mark.get(view.state, '...'):<7}  {view.key}: {view.message}"
