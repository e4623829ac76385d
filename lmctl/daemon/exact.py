"""A plan that was shown is applied as it was shown, or not at all."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lmctl import __version__
from lmctl.adapters.git import commit_of
from lmctl.adapters.home import Home
from lmctl.adapters.machine import host_id
from lmctl.adapters.secrets import fingerprint, fingerprint_key
from lmctl.adapters.state.store import Store
from lmctl.base.digests import short
from lmctl.base.errors import Refused, Stale
from lmctl.base.quantities import format_time
from lmctl.planning.desired import DesiredState
from lmctl.planning.limits import limited
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan_file import (
    GitRevision,
    Origin,
    PlanFile,
    Proposed,
    Revision,
    moved,
    plan_file,
)
from lmctl.planning.plan_view import plan_view
from lmctl.planning.policies import correcting
from lmctl.planning.turn import Reading, take_turn
from lmctl.reconciler.reading import ReadResult

Observe = Callable[[DesiredState], Awaitable[ObservedState]]


@dataclass(frozen=True, slots=True)
class Scribe:
    """Writes plans down for one home, and says whether one that was may still be applied."""

    home: Home
    store: Store

    def write(
        self,
        proposed: Proposed,
        roots: Sequence[str],
        digest: str,
        *,
        only: Sequence[str] = (),
        allow_prune: int = 0,
    ) -> PlanFile:
        """Return a plan for these folders, whose files have this digest, as it is written down."""
        journal, key = self.store.journal, fingerprint_key(self.home.root)
        commit = commit_of(Path(roots[0])) if roots else None
        return plan_file(
            proposed,
            origin=Origin(
                version=__version__,
                host_id=host_id(),
                lineage=journal.lineage,
                serial=journal.serial,
                at=format_time(time.time()),
            ),
            revision=Revision(
                digest, tuple(roots), GitRevision(commit.id, commit.dirty) if commit else None
            ),
            fingerprint=lambda content: fingerprint(content, key),
            only=only,
            allow_prune=allow_prune,
        )

    def moved(self, file: PlanFile, now: PlanFile) -> tuple[str, ...]:
        """Return why a plan may not be applied, given the one that would be made now."""
        at = self.store.plans.consumed(file.id)
        return tuple(moved(file, now, consumed=format_time(at) if at is not None else ""))


def check(file: PlanFile, moves: tuple[str, ...]) -> None:
    """Raise Stale when anything moved since a plan was made."""
    if moves:
        raise Stale(
            f"plan {short(file.id)} cannot be applied any more",
            moves,
            hint="make a new one: `lmctl plan DIR --out FILE`",
        )


async def plan_now(
    scribe: Scribe,
    result: ReadResult,
    desired: DesiredState,
    observe: Observe,
    *,
    file: PlanFile,
) -> PlanFile:
    """Return the plan that would be made now of what was read for `file`.

    Raises Refused when the manifests are broken.
    """
    if result.fatal:
        first = next(each for each in result.problems if each.fatal)
        raise Refused(f"the manifests are broken: {first.place}: {first.message}")
    goal = correcting(limited(desired, file.only))
    observed = await observe(goal)
    plan = take_turn(Reading(goal), observed).plan
    view = plan_view(plan, observed, places=goal.places)
    proposed = Proposed(plan, observed, view)
    digest = result.bundle.digest
    return scribe.write(
        proposed, file.revision.roots, digest, only=file.only, allow_prune=file.allow_prune
    )
