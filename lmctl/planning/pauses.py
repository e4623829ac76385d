"""What people asked to be left alone: a hold on a reading of the files, suspended objects.

Wishes of people, like the manifests, so they outlive the daemon and its database.
"""

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from lmctl.base.quantities import format_time
from lmctl.planning.desired import DesiredState

_SHORT = 12


class Hold(msgspec.Struct, frozen=True):
    """An earlier generation is in force and the reading `digest` of the folders is not applied.

    The first reading with another digest ends it. `generation` and `target` are what was rolled
    back to: its number and digest; `at` is in unix seconds.
    """

    digest: str
    generation: int
    target: str
    at: float
    by: str = ""
    reason: str = ""

    def __str__(self) -> str:
        """Return what status, diff and events say of it."""
        by = f" by {self.by}" if self.by else ""
        why = f": {self.reason}" if self.reason else ""
        return (
            f"rolled back to generation {self.generation}; held: source digest "
            f"{self.digest[:_SHORT]} since {format_time(self.at)}{by}{why}"
        )


class Limit(msgspec.Struct, frozen=True):
    """Of the reading `digest` only these objects are to be worked on, until another is applied."""

    digest: str
    only: tuple[str, ...]


class Suspension(msgspec.Struct, frozen=True):
    """An object (`instance/chat`) or the whole `box` is left as it is, until then if it says so.

    `at` and `until` are unix seconds.
    """

    subject: str
    reason: str
    at: float
    by: str = ""
    until: float | None = None

    def __str__(self) -> str:
        """Return the reason as people are told it."""
        by = f" by {self.by}" if self.by else ""
        until = f", until {format_time(self.until)}" if self.until is not None else ""
        return f"{self.reason} (since {format_time(self.at)}{by}{until})"


def suspend(desired: DesiredState, suspensions: Iterable[Suspension]) -> DesiredState:
    """Return the same desired state with these objects left alone too.

    What a manifest suspends says so with its place, so that reason wins.
    """
    asked = {each.subject: str(each) for each in suspensions}
    return replace(desired, suspended={**asked, **desired.suspended})


def expiry(suspensions: Iterable[Suspension]) -> float | None:
    """Return when the first of them ends by itself, in unix seconds."""
    return min((each.until for each in suspensions if each.until is not None), default=None)
