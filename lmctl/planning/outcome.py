"""How a step ended, as a value the loop can read: finished, look again, back off, or needs a person."""

from dataclasses import dataclass

from lmctl.base.spec import FailureKind


@dataclass(frozen=True, slots=True)
class Done:
    """Finished; `note` is one line for the journal."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not finished and not wrong: look again after `retry_after` seconds."""

    reason: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class Failed:
    """Wrong this time and may go better next time, so back off and retry.

    `retry_after` is what the other side asked for, in seconds; None leaves it to the back-off of
    `kind` (reconciler 3.7).
    """

    reason: str
    kind: FailureKind
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Stalled:
    """Wrong until someone edits a manifest, a secret or the machine; not retried this generation."""

    reason: str


@dataclass(frozen=True, slots=True)
class Superseded:
    """Ended early: the plan no longer has the step, or the daemon stops."""

    reason: str


Outcome = Done | Waiting | Failed | Stalled | Superseded
