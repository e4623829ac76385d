"""The box's status for whoever asks, made anew only when something it is made of is new.

Every watcher asks once a second, and a box has hundreds of objects that hardly ever change.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lmctl.planning.conditions import Progress
from lmctl.planning.report import BoxStatus, DaemonView, box_status
from lmctl.planning.turn import Turn


@dataclass(frozen=True, slots=True)
class _Told:
    turn: Turn
    roots: tuple[str, ...]
    progress: Mapping[str, Progress]
    status: BoxStatus


class Telling:
    """Remembers the status it told last; `dated` adds to a turn since when things are as they are."""

    def __init__(self, dated: Callable[[Turn], Turn], daemon: DaemonView) -> None:
        self._dated = dated
        self._daemon = daemon
        self._told: _Told | None = None

    def status(
        self, turn: Turn, roots: tuple[str, ...], progress: Mapping[str, Progress]
    ) -> BoxStatus:
        """Return a turn as the report: the same value as before when it is the same turn, with the
        same progress of running steps.
        """
        was = self._told
        if was is None or was.turn is not turn or (was.roots, was.progress) != (roots, progress):
            status = box_status(
                self._dated(turn), roots=roots, daemon=self._daemon, progress=progress
            )
            was = self._told = _Told(turn, roots, progress, status)
        return was.status
