"""What measurements teach: a runner's peak corrects the estimate of what ran, and of its like.

A measured peak is compared with the estimate for what the runner really did: its buffers are only
touched as far as its widest step went. The difference, whatever its cause, is added to estimates
of the same weights under the same engine build. For the very same settings that gives the measured
peak back once a whole step was computed; before, the estimate still says what is to come.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from lmctl.base.spec import LoadSettings
from lmctl.planning.fit.estimate import Confidence, Estimate

# What else a runner is started with changes nothing in its memory.
_DECIDES: Final = (
    "context_length",
    "parallel",
    "batch_size",
    "physical_batch_size",
    "flash_attention",
    "unified_kv",
    "kv_key_type",
    "kv_value_type",
    "use_mmap",
    "keep_in_memory",
    "offload_ratio",
    "offload_kv",
    "drafter",
)


class MemoryPeak(msgspec.Struct, frozen=True):
    """The most memory a runner ever had, in bytes; `weights` are the sha256 of what it loaded,
    `settings` only those that decide about memory, `version` is the engine build's, `step` the most
    tokens it computed together.
    """

    weights: tuple[str, ...]
    settings: LoadSettings
    version: str
    peak: int
    step: int


def deciding(load: LoadSettings) -> LoadSettings:
    """Return the settings with all at their defaults that change nothing in memory."""
    return LoadSettings(**{name: getattr(load, name) for name in _DECIDES})


def of_weights(
    peaks: Iterable[MemoryPeak], weights: tuple[str, ...], version: str
) -> tuple[MemoryPeak, ...]:
    """Return what was measured of these weights under this build."""
    if not weights:
        return ()
    return tuple(each for each in peaks if (each.weights, each.version) == (weights, version))


def worth_keeping(new: MemoryPeak, known: Iterable[MemoryPeak]) -> bool:
    """Say whether a measurement says more than what is known of the same spec."""
    for each in known:
        if (each.weights, each.settings, each.version) == (new.weights, new.settings, new.version):
            return new.step > each.step or new.peak > each.peak
    return True


class Excess(msgspec.Struct, frozen=True):
    """What one measurement had beyond the estimate for the same work, in bytes (below zero: less)."""

    peak: MemoryPeak
    size: int


def corrected(
    plain: Estimate, load: LoadSettings, measured: Iterable[Excess], *, step: int
) -> Estimate:
    """Return an estimate with what was learned of the same weights.

    The same settings decide alone; otherwise the largest excess counts, for it is the careful one.
    `step` is how many tokens a whole step has.
    """
    found = tuple(measured)
    if not found:
        return plain
    same = next((each for each in found if each.peak.settings == deciding(load)), None)
    best = same or max(found, key=lambda each: each.size)
    proven = same is not None and same.peak.step >= step
    return msgspec.structs.replace(
        plain,
        learned=max(best.size, -plain.compute - plain.overhead),
        confidence=Confidence.MEASURED if proven else plain.confidence,
    )
