"""Fetches, verifies and links weights; turns what goes wrong into endings."""

from collections.abc import Callable

from lmctl.adapters.weights.fetch_errors import failure_kind, retry_after
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.adapters.weights.progress import Progress as Bytes
from lmctl.adapters.weights.store import WeightsStore
from lmctl.base.errors import LmctlError, Refused
from lmctl.base.quantities import format_size
from lmctl.base.spec import FailureKind
from lmctl.planning.conditions import Progress
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled
from lmctl.planning.plan import FetchWeights, LinkWeights, VerifyWeights

Report = Callable[[Progress], None]


class WeightsActuator:
    """Acts on one store and the models folder above it."""

    def __init__(self, store: WeightsStore, tree: ModelsTree) -> None:
        self._store = store
        self._tree = tree

    async def fetch(self, step: FetchWeights, report: Report) -> Outcome:
        """Bring weights to the disk and link them; a name taken in the folder is only noted."""
        report(Progress(f"asking {step.weights.sources[0]}"))
        try:
            stored = await self._store.fetch(step.weights, lambda each: report(_told(each)))
        except LmctlError as error:
            return _ending(error)
        except OSError as error:  # the home itself: not writable, read-only, gone
            return Failed(f"cannot store {step.weights.model}: {error}", FailureKind.TRANSIENT)
        note = f"fetched {format_size(stored.size)} from {stored.source}"
        try:
            self._tree.link(step.weights, stored)
        except (Refused, OSError) as error:
            # The weights are there and can be loaded: linking is its own step and says it again.
            return Done(f"{note}; not linked: {error}")
        return Done(note)

    async def verify(self, step: VerifyWeights, report: Report) -> Outcome:
        """Hash weights again."""
        report(Progress(f"verifying {step.weights.model}"))
        try:
            stored = await self._store.verify(step.weights)
        except LmctlError as error:
            return _ending(error)
        except OSError as error:
            return Failed(f"cannot read {step.weights.model}: {error}", FailureKind.TRANSIENT)
        return Done(f"verified {format_size(stored.size)}")

    async def link(self, step: LinkWeights, report: Report) -> Outcome:
        """Put the links in the models folder back."""
        report(Progress(f"linking {step.weights.model}"))
        seen = self._store.look(step.weights)
        if seen.stored is None:
            return Failed(f"{step.weights.model} is not stored", FailureKind.TRANSIENT)
        try:
            made = self._tree.link(step.weights, seen.stored)
        except LmctlError as error:
            return _ending(error)
        except OSError as error:
            return Failed(f"cannot link {step.weights.model}: {error}", FailureKind.TRANSIENT)
        return Done(f"{made} link(s) made")


def _ending(error: LmctlError) -> Outcome:
    """Return Stalled for what needs a person, Failed for what may go better next time."""
    kind = failure_kind(error)
    reason = f"{error}; {error.hint}" if error.hint else str(error)
    if kind is FailureKind.CONFIG:
        return Stalled(reason)
    return Failed(reason, kind, retry_after(error))


def _told(progress: Bytes) -> Progress:
    done = format_size(progress.done)
    of = f" of {format_size(progress.total)}" if progress.total is not None else ""
    speed = f", {format_size(progress.rate)}/s" if progress.rate else ""
    text = f"fetching {done}{of}{speed}"
    return Progress(text, progress.done, progress.total or 0, progress.rate)
