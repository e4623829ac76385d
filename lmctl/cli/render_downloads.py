"""Downloads, search results and choices as people read them. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from lmctl.base.quantities import format_duration, format_size
from lmctl.cli.render import table
from lmctl.planning.choices import Choices
from lmctl.planning.downloads import DownloadView, FoundRepo

_DAY = 10  # characters of an ISO date


def render_downloads(views: Sequence[DownloadView]) -> str:
    """Return a table, the newest last, with what is wrong below what it is wrong with."""
    if not views:
        return "nothing was downloaded by request; `lmctl search WORDS` finds models"
    head = ("ID", "MODEL", "STATUS", "DONE", "STARTED")
    return "\n".join([*table([head, *map(_row, views)]), *_troubles(views)])


def _row(view: DownloadView) -> tuple[str, ...]:
    started = datetime.fromtimestamp(view.started_at or 0).astimezone()
    return view.id, view.model, view.status, _share(view), f"{started:%Y-%m-%d %H:%M}"


def _troubles(views: Iterable[DownloadView]) -> Iterable[str]:
    for each in views:
        if each.message:
            yield f"{each.id}: {each.message}"
            if each.hint:
                yield f"  hint: {each.hint}"


def _share(view: DownloadView) -> str:
    if not view.total:
        return format_size(view.done)
    percent = 100 * view.done // view.total
    return f"{percent} % of {format_size(view.total)}"


def sentence(view: DownloadView) -> str:
    """Return how a download is in one line."""
    if view.status == "already_downloaded":
        return f"{view.model}: here already"
    said = f"{view.model}: {view.status}, {_share(view)}"
    if view.rate:
        said += f", {format_size(view.rate)}/s"
        if view.total:
            said += f", {format_duration((view.total - view.done) / view.rate)} left"
    return f"{said} ({view.message})" if view.message else said


def render_found(found: Sequence[FoundRepo]) -> str:
    """Return repositories as a table."""
    if not found:
        return "no repository fits these words"
    head = ("REPOSITORY", "DOWNLOADS", "LIKES", "UPDATED", "QUANTIZATIONS")
    rows = [
        (
            f"{each.repo}{' (gated)' if each.gated else ''}",
            str(each.downloads),
            str(each.likes),
            each.updated[:_DAY],
            ", ".join(each.quantizations) or "-",
        )
        for each in found
    ]
    return "\n".join(table([head, *rows]))


def render_choices(offered: Choices) -> str:
    """Return what a repository offers, with what this machine says to it; `*` marks the recommended."""
    head = ("", "QUANT", "SIZE", "FIT", "", "FILE")
    rows = [
        (
            "*" if each.recommended else "",
            each.quantization or each.format,
            format_size(each.size),
            each.fit,
            each.advice,
            each.file,
        )
        for each in offered.choices
    ]
    gated = ["gated: accept its licence on the hub first"] if offered.gated else []
    title = f"{offered.repo} at commit {offered.commit[:12]}"
    return "\n".join([title, *table([head, *rows]), *gated])
