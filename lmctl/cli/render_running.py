"""Loaded instances: what a program reads of them, and the table people read. Pure."""

from collections.abc import Sequence

import msgspec

from lmctl.base.quantities import format_duration, format_size
from lmctl.cli.render import table

_HEADS = (
    "IDENTIFIER", "MODEL", "STATUS", "SIZE", "CONTEXT", "PARALLEL", "QUEUED", "TOK/S", "CACHED",
    "HELD", "DRAFTS", "MEMORY", "TTL",
)  # fmt: skip


class Running(msgspec.Struct, frozen=True, rename="camel"):
    """A loaded instance, in the field names of `lms ps --json` and, after them, our own.

    `status` is `idle`, `processingPrompt`, `generating` or `computingEmbedding`, or the phase of a
    runner that is not ready. Times are in milliseconds, sizes in bytes; `lastUsedTime` since the
    epoch. `cacheHitRatio` and `draftAcceptance` are 0..1, null before there was anything to count.
    """

    type: str
    model_key: str
    display_name: str
    publisher: str
    size_bytes: int
    architecture: str | None
    vision: bool
    trained_for_tool_use: bool
    max_context_length: int | None
    identifier: str
    ttl_ms: int | None
    last_used_time: int
    context_length: int
    status: str
    queued: int
    parallel: int | None
    instance: str
    engine: str
    pid: int
    running: int
    tokens_per_second: float
    cache_hit_ratio: float | None
    context_held: int
    context_room: int
    draft_acceptance: float | None
    memory: int


def render_running(found: Sequence[Running]) -> str:
    """Return a table: a row for each loaded instance."""
    if not found:
        return "nothing is loaded; `lmctl load MODEL` loads one, `lmctl apply DIR` what is declared"
    return "\n".join(table([_HEADS, *map(_row, found)]))


def _row(each: Running) -> tuple[str, ...]:
    return (
        each.identifier,
        each.model_key,
        each.status.upper(),
        format_size(each.size_bytes),
        str(each.context_length),
        f"{each.running}/{each.parallel}" if each.parallel is not None else "-",
        str(each.queued),
        f"{each.tokens_per_second:.1f}",
        _percent(each.cache_hit_ratio),
        _percent(each.context_held / each.context_room if each.context_room else None),
        _percent(each.draft_acceptance),
        format_size(each.memory),
        format_duration(each.ttl_ms / 1000) if each.ttl_ms is not None else "-",
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"
