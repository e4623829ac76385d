"""What runners on this box were seen to take at their peak."""

from collections.abc import Iterator

from lmctl.base.spec import Phase
from lmctl.planning.fit.learned import MemoryPeak, deciding
from lmctl.planning.observed import ObservedState


def measured(seen: ObservedState) -> Iterator[MemoryPeak]:
    """Yield a measurement per runner that is loaded and has computed something."""
    for each in seen.runners:
        version = seen.version_of(each)
        loaded = each.phase in (Phase.READY, Phase.DRAINING) and each.widest_step
        if loaded and each.weights and each.memory_peak and version:
            yield MemoryPeak(
                weights=each.weights,
                settings=deciding(each.load),
                version=version,
                peak=each.memory_peak,
                step=each.widest_step,
            )
