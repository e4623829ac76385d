"""Values as text for people. Pure: the same value gives the same words."""

from collections.abc import Iterable, Sequence

from lmctl.adapters.state.events import Event
from lmctl.base.quantities import format_size, format_time
from lmctl.planning.conditions import State
from lmctl.planning.report import BoxStatus, ObjectView, ProblemView

_MOST_TOOLS = 5  # named in a table; `-o json` has them all


def render_status(status: BoxStatus) -> str:
    """Return a box as a table of objects under one line about the whole."""
    head = [_headline(status), *render_pauses(status)]
    rows = [("OBJECT", "STATE", "SYNC", "HEALTH", "MESSAGE")]
    rows += [(*_columns(each), each.message) for each in status.objects]
    return "\n".join(
        [*head, *([""] if status.objects else []), *table(rows if status.objects else [])]
    )


def render_pauses(status: BoxStatus) -> list[str]:
    """Return a line for each thing that people asked to be left alone."""
    held = [str(status.hold)] if status.hold is not None else []
    return [*held, *(f"suspended: {key}: {why}" for key, why in sorted(status.suspended.items()))]


def _columns(view: ObjectView) -> tuple[str, str, str, str]:
    return view.key, state_of(view), view.sync.value, view.health.value


def state_of(view: ObjectView) -> str:
    """Return the state in words; who is suspended must not look Ready, whatever it was before."""
    if view.state is not State.SUSPENDED:
        return view.state.value
    before = f"was Ready at generation {view.ready_generation}"
    return f"Suspended ({before if view.ready_generation else 'never was Ready'})"


def _headline(status: BoxStatus) -> str:
    ready = sum(each.ready for each in status.objects)
    where = f", serving at {status.url}" if status.url else ""
    roots = ", ".join(status.roots)
    if status.daemon:
        daemon = f"daemon pid {status.daemon.pid} following {roots or 'nothing'}"
    else:
        daemon = f"no daemon running{f', last followed {roots}' if roots else ''}"
    broken = sum(each.severity == "error" for each in status.problems)
    problems = f", {broken} manifest problem(s): the last good ones stay desired" if broken else ""
    return (
        f"generation {status.generation}: {ready} of {len(status.objects)} ready{where}{problems}\n"
        f"{daemon}"
    )


def render_change(at: str, view: ObjectView) -> str:
    """Return how an object is from a moment on, as a line."""
    columns = f"{state_of(view):<11} {view.sync.value:<9} {view.health.value:<11}"
    return f"{at}  {view.key:<24} {columns} {view.message}".rstrip()


def render_problem(problem: ProblemView) -> str:
    """Return a manifest problem as a line editors can jump from."""
    place = f"{problem.file}:{problem.line}:{problem.column}"
    return f"{place}: {problem.severity}: {problem.message}"


def render_objects(objects: Sequence[ObjectView]) -> str:
    """Return objects as a table, with the facts of their kind."""
    if not objects:
        return "nothing declared"
    heads = ("OBJECT", "STATE", "SYNC", "HEALTH", "FACTS", "MESSAGE")
    return "\n".join(table([heads, *map(_object_row, objects)]))


def render_conditions(view: ObjectView) -> str:
    """Return everything that is said of one object, and since when."""
    heads = ("CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE")
    rows = [
        (
            each.type.value,
            each.status.value,
            each.last_transition_time or "",
            each.reason.value,
            each.message,
        )
        for each in view.conditions
    ]
    return "\n".join(table([heads, *rows]))


def _object_row(view: ObjectView) -> tuple[str, ...]:
    facts = view.facts
    told: list[str] = []
    if isinstance(facts.get("memory"), int):
        told.append(format_size(float(str(facts["memory"]))))
    if isinstance(facts.get("size"), int):
        told.append(format_size(float(str(facts["size"]))))
    shown = ("pid", "version", "parallel")
    told += [f"{name} {facts[name]}" for name in shown if facts.get(name) is not None]
    if isinstance(tools := facts.get("tools"), list) and tools:
        more = f" and {len(tools) - _MOST_TOOLS} more" if len(tools) > _MOST_TOOLS else ""
        told.append(", ".join(tools[:_MOST_TOOLS]) + more)
    return (*_columns(view), ", ".join(told), view.message)


def render_events(events: Iterable[Event]) -> str:
    """Return events, one a line."""
    return "\n".join(render_event(each) for each in events)


def render_event(event: Event) -> str:
    """Return one event as a line."""
    at = format_time(event.at)
    times = f" (x{event.count})" if event.count > 1 else ""
    return f"{at}  {event.subject:<24} {event.reason:<14} {event.message}{times}"


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows with their columns aligned; the last column is free."""
    if not rows:
        return []
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]) - 1)]
    return [
        "  ".join(
            [*(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()
        for row in rows
    ]
