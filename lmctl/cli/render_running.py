"""Loaded instances: what a program reads of them, and the table people read. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec

from lmctl.base.quantities import format_duration, format_size
from lmctl.cli.render import table
from lmctl.cli.render_models import Quantization

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
    format: str
    display_name: str
    publisher: str
    path: str
    size_bytes: int
    indexed_model_identifier: str
    device_identifier: None
    params_string: str | None
    architecture: str | None
    quantization: Quantization | None
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


class RunningElsewhere(msgspec.Struct, frozen=True, rename="camel"):
    """A loaded instance of another box: what its gateway tells of it, in the same field names."""

    type: str
    model_key: str
    display_name: str
    publisher: str
    size_bytes: int
    identifier: str
    ttl_ms: int | None
    context_length: int
    parallel: int | None


def running_elsewhere(models: Sequence[dict[str, Any]]) -> list[RunningElsewhere]:
    """Return the instances that another box lists (contract 1.7)."""
    return [
        RunningElsewhere(
            type=model["type"],
            model_key=model["key"],
            display_name=model["display_name"],
            publisher=model["publisher"],
            size_bytes=model["size_bytes"],
            identifier=each["id"],
            ttl_ms=round(ttl * 1000) if (ttl := each.get("remaining_ttl_seconds")) else None,
            context_length=each["config"]["context_length"],
            parallel=each["config"].get("parallel"),
        )
        for model in models
        for each in model["loaded_instances"]
    ]


def render_elsewhere(found: Sequence[RunningElsewhere]) -> str:
    """Return a table: a row for each instance of another box."""
    if not found:
        return "nothing is loaded there"
    rows = [
        (
            each.identifier,
            each.model_key,
            format_size(each.size_bytes),
            str(each.context_length),
            str(each.parallel or "-"),
            format_duration(each.ttl_ms / 1000) if each.ttl_ms is not None else "-",
        )
        for each in found
    ]
    return "\n".join(table([("IDENTIFIER", "MODEL", "SIZE", "CONTEXT", "PARALLEL", "TTL"), *rows]))


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
