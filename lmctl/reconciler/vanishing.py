"""Files that were there a moment ago: a tool that replaces one may have taken it away first.

A file counts as gone, and a known one that is empty as emptied, only when it still is so a while
later (reconciler 3.2). Until then the reading before stays what the folders say.
"""

from collections.abc import Callable, Mapping

from lmctl.manifests.bundle import Bundle


class Vanishing:
    """Remembers since when which files are missing; `period` and `clock` are in seconds."""

    def __init__(self, period: float, clock: Callable[[], float]) -> None:
        self._period = period
        self._clock = clock
        self._since: dict[str, float] = {}

    def left(
        self, before: Mapping[str, bytes], now: Mapping[str, bytes], lost: Callable[[str], bool]
    ) -> float:
        """Return for how long it is too early to believe what the folders say, 0 for not at all.

        `lost` says whether anything is lost with a file that is missing.
        """
        missing = {path for path in before if not now.get(path) and before[path]}
        at = self._clock()
        self._since = {path: self._since.get(path, at) for path in missing}
        waits = [since + self._period - at for path, since in self._since.items() if lost(path)]
        return max(0.0, max(waits, default=0.0))

    def believe(self) -> None:
        """Count what is missing now as gone: somebody said that the folders are complete."""
        self._since = dict.fromkeys(self._since, self._clock() - self._period)


def lost_with(before: Bundle, now: Bundle | None) -> Callable[[str], bool]:
    """Return what says whether objects of a file are declared nowhere any more; with None for what
    could not be read now, all of them may be lost.
    """
    there = now.origins.keys() if now is not None else frozenset()
    files = {each.place().file for key, each in before.origins.items() if key not in there}
    return files.__contains__
