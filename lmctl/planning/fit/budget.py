"""How much memory models may use together: a host's memory, less what a guardrail keeps back.

A guardrail keeps a share of the memory for everything that is not a model, never less than a
floor and never more than half. What others already use counts against that share, not twice: only
when they use more than is kept back do models get less. So the budget of a quiet box does not
change from look to look, and a busy one is not filled to the brim.

| mode | kept back | why |
|---|---|---|
| off | nothing, and nothing is refused | the reader knows better |
| relaxed | 10 %, 512 MiB to 4 GiB | what an estimate may be wrong by |
| balanced | 20 %, 1 GiB to 16 GiB | and a little room for other programs and the page cache |
| strict | 35 %, 2 GiB to 64 GiB | a desktop in use beside it |
| custom | all but the threshold | models may use exactly that much together |
"""

from typing import Final, Literal

import msgspec

from lmctl.base.quantities import format_size
from lmctl.planning.host_profile import HostProfile, Memory

Mode = Literal["off", "relaxed", "balanced", "strict", "custom"]
MODES: Final[tuple[Mode, ...]] = ("off", "relaxed", "balanced", "strict", "custom")

_MIB: Final = 1024**2
_GIB: Final = 1024**3
# Share of the limit, floor and ceiling of what is kept back.
_KEPT: Final[dict[Mode, tuple[float, int, int]]] = {
    "relaxed": (0.10, 512 * _MIB, 4 * _GIB),
    "balanced": (0.20, 1 * _GIB, 16 * _GIB),
    "strict": (0.35, 2 * _GIB, 64 * _GIB),
}


class Guardrails(msgspec.Struct, frozen=True):
    """How careful loading is with memory; `threshold` counts in mode `custom` only."""

    mode: Mode = "balanced"
    threshold: int = 4 * _GIB


class Budget(msgspec.Struct, frozen=True):
    """Bytes that models may use together, and why; `size` None is no limit at all."""

    size: int | None
    mode: Mode
    reason: str


def budget(host: HostProfile, guardrails: Guardrails) -> Budget:
    """Return what models may use together on a host."""
    memory, mode = host.memory, guardrails.mode
    if mode == "off":
        return Budget(None, mode, "guardrails are off")
    if mode == "custom":
        size = min(guardrails.threshold, memory.limit)
        return Budget(size, mode, f"custom allows {format_size(size)}")
    kept = kept_back(memory, mode)
    if memory.others > kept:
        reason = f"other programs use {format_size(memory.others)} of {format_size(memory.limit)}"
        return Budget(max(0, memory.limit - memory.others), mode, reason)
    reason = f"{mode} keeps {format_size(kept)} of {format_size(memory.limit)} back"
    return Budget(memory.limit - kept, mode, reason)


def kept_back(memory: Memory, mode: Mode) -> int:
    """Return the bytes a mode keeps from models: a share within bounds, at most half."""
    share, floor, ceiling = _KEPT[mode]
    return min(max(int(memory.limit * share), floor), ceiling, memory.limit // 2)
