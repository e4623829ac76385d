"""A plan as text for people: by object, worst disruption first. Pure: the same value, the same words.

The glyph and the word beside it say what is done; colour says it a second time, where there is any.
"""

from collections.abc import Iterator, Sequence

from rich.text import Text

from lmctl.base.quantities import format_duration, format_size
from lmctl.manifests.report import printable
from lmctl.planning.plan_view import PlanView, Totals
from lmctl.planning.step_view import ChangeView
from lmctl.planning.work import Work

IN_SYNC = "In sync - nothing to do"

GLYPHS = {
    "load": "+",
    "start": "+",
    "ensure": "+",
    "fetch": ">",
    "unload": "-",
    "stop": "-",
    "end": "-",
    "update": "~",
    "verify": "~",
    "link": "~",
    "switch": "~",
    "rename": "⇄",
    "reload": "↻",
    "restart": "↻",
    "restore": "↻",
    "replace": "±",
}
DRIFT, HELD, BLOCKED = "!", "⏸", "✗"
_COLOURS = {
    "+": "green",
    ">": "cyan",
    "-": "red",
    "~": "yellow",
    "⇄": "blue",
    "↻": "magenta",
    "±": "magenta",
    DRIFT: "bold yellow",
    HELD: "dim",
    BLOCKED: "bold red",
}
_HOW = {
    "surge": "surge: the new one is proven beside the old one, then requests go to it",
    "drain": "drain: the old one finishes what it has and ends, then the new one is loaded",
}


def render_plan(view: PlanView, *, base: str = "") -> str:
    """Return a plan; places below the folder `base` are told from there.

    Nothing of what a file holds reaches a terminal as a control sequence.
    """
    if view.in_sync:
        return IN_SYNC
    width = max((len(each.key) for each in view.objects), default=0)
    told = max((len(_word(each)) for each in view.objects), default=0)
    lines: list[str] = []
    for each in view.objects:
        head = f"{glyph(each)} {each.key:<{width}}  {_word(each):<{told}}  {notice(each)}"
        lines.append("; ".join([head, *_costs(each)]).rstrip())
        lines += [f"      {line}" for line in _details(each, base)]
    return "\n".join(map(printable, [*lines, "", *_totals(view)]))


def coloured(text: str) -> Text:
    """Return a plan with each object's glyph and word in its colour."""
    made = Text()
    for line in text.splitlines():
        colour = _COLOURS.get(line[:1], "") if line[1:2] == " " else ""
        made.append(f"{line}\n", style=colour or ("dim" if line.startswith("      ") else ""))
    return made


def glyph(work: Work) -> str:
    """Return the glyph of an object: why nothing is done comes before what would be."""
    if work.blocked:
        return BLOCKED
    if work.held:
        return HELD
    return DRIFT if work.drift else GLYPHS[work.op]


def notice(work: Work) -> str:
    """Return what clients notice of the work on one object."""
    match work.disruption:
        case "none":
            return "no disruption"
        case "hot":
            return "hot"
        case "park":
            return f"requests wait{_seconds(work.outage_seconds)}"
    if work.op == "restart":
        return f"connections are refused{_seconds(work.outage_seconds)}"
    return "no longer served"


def change_line(change: ChangeView, base: str = "") -> str:
    """Return one field as a line: what it was, what it will be, where that stands, what it costs."""
    place = f"   ({near(change.place, base)})" if change.place else ""
    return f"{change}{place}   [{change.change_class}]"


def near(place: str, base: str) -> str:
    """Return a place as it is reached from a folder; one outside of it stays as it is."""
    return place.removeprefix(f"{base.rstrip('/')}/") if base else place


def summary(totals: Totals) -> str:
    """Return how many objects there are of each kind of work, in a line."""
    told = [f"{count} to {op}" for op, count in totals.ops.items()]
    told += [f"{count} {word}" for word in ("held", "blocked") if (count := getattr(totals, word))]
    drift = f"; drift: {totals.drift}" if totals.drift else ""
    return f"{', '.join(told) or 'nothing to do'}{drift}"


def _word(work: Work) -> str:
    states = [(work.blocked, "blocked"), (bool(work.held), "held"), (work.drift, "drift")]
    state = next((f"{word}: " for holds, word in states if holds), "")
    return f"{state}{work.op}"


def _seconds(outage: float | None) -> str:
    return ", outage unknown" if outage is None else f" about {format_duration(outage)}"


def _costs(work: Work) -> Iterator[str]:
    if work.op == "fetch":
        size = work.download
        yield "size not known yet" if size is None else f"{format_size(size)} to download"
    before, after = work.memory_before, work.memory_after
    if after is None:
        yield "memory not known yet"
    elif before and after:
        yield f"memory {format_size(before)} -> {format_size(after)}"
    elif after:
        yield f"memory {format_size(after)}"
    elif before:
        yield f"frees {format_size(before)}"


def _details(work: Work, base: str) -> Iterator[str]:
    changes = [c for c in work.changes if (work.op, c.path) != ("unload", "identifier")]
    yield from (change_line(each, base) for each in changes)
    if not changes and work.place:
        first, *rest = work.because or ("",)
        yield f"{first}   ({near(work.place, base)})"
        yield from rest
    else:
        yield from work.because
    if work.how:
        yield _HOW[work.how]
    if work.after:
        yield f"after: {', '.join(work.after)}"
    if work.held:
        yield f"{'blocked' if work.blocked else 'held'}: {work.held}"


def _totals(view: PlanView) -> Iterator[str]:
    totals = view.totals
    yield f"Plan: {summary(totals)}"
    yield from (f"  {word:<8}  {text}" for word, text in totals_table(view))


def totals_table(view: PlanView) -> Iterator[tuple[str, str]]:
    """Yield what a plan comes to, word and text: download, memory, clients."""
    totals = view.totals
    active = [each for each in view.objects if not each.held]
    if any(each.op == "fetch" for each in active):
        yield "download", _download(totals)
    if any(each.memory_before or each.memory_after != 0 for each in active):
        sizes = (totals.memory_before, totals.memory_peak, totals.memory_after)
        before, peak, after = map(format_size, sizes)
        more = _without(totals.memory_unknown)
        told = f"{before} now, {peak} at the peak, {after} after{more}"
        yield "memory", told if any(sizes) else "not known yet"
    yield "clients", "; ".join(_noticed(view.objects)) or "notice nothing"


def _noticed(objects: Sequence[Work]) -> Iterator[str]:
    for each in objects:
        if each.disruption in ("park", "outage") and not each.held:
            yield f"{each.key.partition('/')[2]}: {notice(each)}"


def _download(totals: Totals) -> str:
    unknown, disk = totals.download_unknown, format_size(totals.disk)
    if unknown and not totals.download:
        return f"size not known yet; {disk} of weights on disk without it"
    return f"{format_size(totals.download)}{_without(unknown)}; {disk} of weights on disk after"


def _without(unknown: Sequence[str]) -> str:
    return f" without {', '.join(unknown)} (not known yet)" if unknown else ""
