"""The explanation of one object as text. Pure: the same value gives the same words."""

from collections.abc import Iterable

from lmctl.adapters.state.events import Event
from lmctl.adapters.state.generations import Generation
from lmctl.adapters.state.journal import Action
from lmctl.base.quantities import format_duration, format_time
from lmctl.cli.render import state_of
from lmctl.cli.render_plan import change_line, notice
from lmctl.planning.report import ObjectView
from lmctl.planning.work import Work

_SHORT = 9
_HOW = {
    "surge": "surge: the new one is loaded beside the old one, nobody waits",
    "drain": "drain: the old one ends first, requests wait",
}


def render_why(view: ObjectView, sections: Iterable[tuple[str, list[str]]]) -> str:
    """Return an object's state in a line, then every section that has something to say."""
    lines = [f"{view.key}: {state_of(view)}, {view.message}"]
    for heading, told in sections:
        if told:
            lines += ["", heading, *(f"  {line}" for line in told)]
    return "\n".join(lines)


def work_lines(work: Work) -> list[str]:
    """Return what is to be done about an object, why, how, and why not yet."""
    because = "; ".join(work.because)
    lines = [f"{work.op}: {because}" if because else work.op, *_details(work)]
    if work.held:
        lines.append(f"not done: {work.held}")
    return lines


def edit_lines(generation: Generation, work: Work) -> list[str]:
    """Return which generation meant the object, by which commit, and what it changed."""
    cause = f"rollback to generation {generation.of}" if generation.of else generation.cause
    lines = [f"generation {generation.number}, {format_time(generation.at)}, {cause}"]
    if generation.commit:
        edited = ", edited since" if generation.dirty else ""
        commit = f"{generation.commit[:_SHORT]}{edited}"
        lines.append(f"commit {commit} by {generation.author}: {generation.title}")
    return [*lines, f"{work.op}: {'; '.join(work.because)}", *_details(work)]


def action_line(action: Action) -> str:
    """Return one action as a line: when, what, how it ended, after how long, and for what reason."""
    took = f" after {format_duration(action.seconds)}" if action.seconds is not None else ""
    kind = f" ({action.failure})" if action.failure else ""
    note = f": {action.note}" if action.note else ""
    ended = f"{action.outcome}{kind}{took}{note}"
    return f"{format_time(action.started_at)}  {action.step}  {ended}  # {action.because}"


def event_line(event: Event) -> str:
    """Return one event of the object as a line."""
    times = f" (x{event.count})" if event.count > 1 else ""
    return f"{format_time(event.at)}  {event.reason:<12} {event.message}{times}"


def _details(work: Work) -> list[str]:
    lines = [change_line(each) for each in work.changes]
    lines.append(_HOW.get(work.how) or notice(work))
    if work.drift:
        lines.append("drift: nobody edited anything, it moved away")
    return lines
