"""`status --watch`: a live table on a terminal, elsewhere a line for every change."""

import sys
import time
from collections.abc import Iterable, Iterator

from lmctl.base.quantities import format_time
from lmctl.cli.printer import Printer
from lmctl.cli.render import render_change, render_problem, render_status
from lmctl.planning.conditions import ConditionType
from lmctl.planning.report import BoxStatus, ObjectView


def show(statuses: Iterable[BoxStatus], printer: Printer) -> BoxStatus | None:
    """Show them until they end; returns the last one."""
    if printer.machine:
        return _items(statuses, printer)
    if sys.stdout.isatty():
        return _table(statuses)
    last = None
    told: dict[str, object] = {}
    for last in statuses:
        for line in _changes(last, told):
            printer.data(None, line)
    return last


def _items(statuses: Iterable[BoxStatus], printer: Printer) -> BoxStatus | None:
    last = None
    for each in statuses:
        if each != last:
            printer.item(each, "")
        last = each
    return last


def _table(statuses: Iterable[BoxStatus]) -> BoxStatus | None:
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    last = None
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        for last in statuses:
            lines = [render_status(last), *map(render_problem, last.problems)]
            text = Text("\n".join(lines), no_wrap=True, overflow="ellipsis")
            live.update(text, refresh=True)
    return last


def _changes(status: BoxStatus, told: dict[str, object]) -> Iterator[str]:
    """Yield a line for each object that is not as it was told last, and for what is gone.

    Progress alone is no change: a download would fill the screen.
    """
    at = format_time(time.time())
    for each in status.objects:
        if told.get(each.key) != (now := _gist(each)):
            told[each.key] = now
            yield render_change(at, each)
    for key in told.keys() - {each.key for each in status.objects}:
        del told[key]
        yield f"{at}  {key:<24} gone"


def _gist(view: ObjectView) -> object:
    reasons = [each.reason for each in view.conditions if each.type is ConditionType.READY]
    return view.state, view.sync, view.health, view.observed_generation, reasons
