"""Generations as text for people. Pure: the same value gives the same words."""

from collections.abc import Collection, Mapping, Sequence

from lmctl.adapters.state.generations import Generation
from lmctl.base.quantities import format_duration, format_size, format_time
from lmctl.cli.render import table

_SHORT = 9


def render_generations(found: Sequence[Generation], kept: Collection[int]) -> str:
    """Return generations as a table; those whose files are kept can be gone back to."""
    if not found:
        return "no generation yet"
    head = ("GENERATION", "WHEN", "CAUSE", "RESULT", "TOOK", "COMMIT", "FILES", "PLAN")
    return "\n".join(table([head, *(_row(each, each.number in kept) for each in found)]))


def _row(each: Generation, kept: bool) -> tuple[str, ...]:
    return (
        str(each.number),
        format_time(each.at),
        _cause(each),
        each.result or "in progress",
        _took(each),
        _commit(each),
        "kept" if kept else "gone",
        each.summary,
    )


def _cause(each: Generation) -> str:
    return f"rollback to {each.of}" if each.cause == "rollback" else each.cause


def _took(each: Generation) -> str:
    return format_duration(each.seconds) if each.seconds is not None else ""


def _commit(each: Generation) -> str:
    return f"{each.commit[:_SHORT]}{' (edited)' if each.dirty else ''}"


def render_generation(found: Generation, files: Mapping[str, bytes] | None, plan: str) -> str:
    """Return one generation; `files` is None when they are not kept any more."""
    took = f" after {_took(found)}" if found.seconds is not None else ""
    lines = [
        f"generation {found.number}: {_cause(found)}, in force from {format_time(found.at)}",
        f"result:  {found.result or 'in progress'}{took}",
        f"digest:  {found.digest}",
        f"folders: {', '.join(found.roots)}",
    ]
    if found.commit:
        lines.append(f"commit:  {_commit(found)} by {found.author}: {found.title}")
    lines.append("files:" if files is not None else "files:   not kept any more")
    lines += [f"  {path} ({format_size(len(content))})" for path, content in (files or {}).items()]
    if plan:
        lines += ["plan:", *plan.splitlines()]
    return "\n".join(lines)
