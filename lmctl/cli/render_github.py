"""A plan and problems as GitHub shows them: annotations at the lines, and a summary in Markdown.

https://docs.github.com/actions/reference/workflow-commands-for-github-actions
"""

from collections.abc import Iterator, Sequence

from lmctl.base.quantities import format_size
from lmctl.cli.render_plan import IN_SYNC, glyph, near, notice, summary, totals_table
from lmctl.planning.comparing import ManifestDiff
from lmctl.planning.plan_view import PlanView
from lmctl.planning.report import ProblemView
from lmctl.planning.work import Work


def annotations(view: PlanView, *, base: str) -> list[str]:
    """Return a workflow command per field that changes, and per object that has none."""
    return [line for each in view.objects for line in _of_work(each, base)]


def problem_annotations(problems: Sequence[ProblemView], *, base: str) -> list[str]:
    """Return a workflow command per problem of the manifests."""
    return [
        _command(
            "error" if each.severity == "error" else "warning",
            f"{each.message}. {each.hint}" if each.hint else each.message,
            file=near(each.file, base),
            line=str(each.line),
            col=str(each.column),
        )
        for each in problems
    ]


def differences(found: ManifestDiff, *, base: str) -> list[str]:
    """Return a workflow command per field or object in which two readings differ."""
    lines = []
    for each in found.objects:
        for change in each.changes or (None,):
            file, _, line = ((change.place if change else "") or each.place).rpartition(":")
            text = f"{change} [{change.change_class}]" if change else f"{each.op} {each.key}"
            place = {"file": near(file, base), "line": line}
            lines.append(_command("notice", text, **place, title=f"{each.key}: {each.op}"))
    return lines


def markdown(view: PlanView) -> str:
    """Return a plan as a table for the summary of a job."""
    if view.in_sync:
        return f"### lmctl plan\n\n{IN_SYNC}\n"
    rows = [
        "### lmctl plan",
        "",
        f"**{summary(view.totals)}**",
        "",
        "| | Object | Work | Clients notice | What |",
        "|---|---|---|---|---|",
        *(f"| {' | '.join(_cells(each))} |" for each in view.objects),
        "",
        *(f"- **{word}**: {_escaped(text)}" for word, text in totals_table(view)),
    ]
    return "\n".join(rows) + "\n"


def _of_work(work: Work, base: str) -> Iterator[str]:
    level = "notice"
    if work.blocked:
        level = "error"
    elif work.disruption in ("park", "outage") or work.held:
        level = "warning"
    title = f"{work.key}: {work.op}"
    end = f"; not done: {work.held}" if work.held else f"; {notice(work)}"
    for change in work.changes:
        file, _, line = (change.place or work.place).rpartition(":")
        text = f"{change} [{change.change_class}]{end}"
        yield _command(level, text, file=near(file, base), line=line, title=title)
    if not work.changes:
        file, _, line = work.place.rpartition(":")
        text = "; ".join(work.because) + end
        yield _command(level, text, file=near(file, base), line=line, title=title)


def _command(level: str, text: str, **properties: str) -> str:
    told = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::{level} {told}::{_data(text)}"


def _cells(work: Work) -> tuple[str, ...]:
    what = [str(each) for each in work.changes] or list(work.because)
    what += [f"**not done**: {work.held}"] if work.held else []
    if work.download:
        what.append(f"{format_size(work.download)} to download")
    state = "drift, " if work.drift else ""
    cells = (work.key, f"{state}{work.op}", notice(work), "<br>".join(map(_escaped, what)))
    return (glyph(work), f"`{cells[0]}`", *cells[1:])


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
