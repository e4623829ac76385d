"""What the rules look at: the goal, the world, and what follows from both, worked out once a plan."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

from lmctl.planning.admitting import rollouts
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.plan import PublishSurface, UnloadInstance
from lmctl.planning.rollout import Rollout, left_alone, published, with_orphans
from lmctl.planning.surface import Surface, surface_differs


@dataclass(frozen=True)
class Scene:
    """One desired and one observed state. What is derived is computed at first use and kept."""

    desired: DesiredState
    observed: ObservedState

    @cached_property
    def rollouts(self) -> dict[str, Rollout]:
        """How each wanted instance stands, by name."""
        return rollouts(self.desired, self.observed)

    @cached_property
    def unwanted(self) -> tuple[SeenRunner, ...]:
        """The runners no declared instance has a claim to, to be ended."""
        return tuple(each for each in self._unclaimed if each not in self.orphans)

    @cached_property
    def orphans(self) -> tuple[SeenRunner, ...]:
        """The runners no file declares any more, that policy says to keep."""
        if self.desired.prune:
            return ()
        leaving = self.desired.leaving.keys() | {each.name for each in self.desired.asleep}
        return tuple(each for each in self._unclaimed if each.alive and each.name not in leaving)

    @cached_property
    def making_way(self) -> tuple[str, ...]:
        """The keys of the steps that end what was loaded on request, for the sake of another one."""
        leaving = self.desired.leaving
        return tuple(
            UnloadInstance(each.name, each.uid, each.max_drain).key
            for each in self.unwanted
            if each.name in leaving and leaving[each.name].makes_way
        )

    @cached_property
    def _unclaimed(self) -> tuple[SeenRunner, ...]:
        claimed = {runner.uid for each in self.rollouts.values() for runner in each.runners}
        return tuple(each for each in self.observed.runners if each.uid not in claimed)

    @cached_property
    def surface(self) -> Surface | None:
        """What the gateway may be told now, before any route is switched."""
        return self._leaving_alone(published(self.desired.surface, self.rollouts))

    def held_back(self) -> Iterator[PublishSurface]:
        """Yield what the gateway would be told too if an instance was not suspended."""
        for subject in self.desired.suspended:
            kind, _, name = subject.partition("/")
            others = self.desired.suspended.keys() - {subject}
            whole = self._leaving_alone(published(self.desired.surface, self.rollouts), others)
            if kind == "instance" and whole and surface_differs(whole, self.surface):
                yield PublishSurface(whole, name)

    def switched(self, name: str) -> Surface | None:
        """Return the surface in which that instance's requests go to its new runner."""
        return self._leaving_alone(published(self.desired.surface, self.rollouts, switch=name))

    def _leaving_alone(
        self, surface: Surface | None, suspended: Collection[str] | None = None
    ) -> Surface | None:
        subjects = self.desired.suspended if suspended is None else suspended
        left = left_alone(surface, self.observed.surface, subjects)
        return with_orphans(
            left, self.observed.surface, frozenset(each.name for each in self.orphans)
        )

    @cached_property
    def publish(self) -> tuple[str, ...]:
        """The key of the step that publishes the surface; empty when nothing is to be told.

        Routes change before a runner drains, so that its new requests are parked, not refused.
        """
        if self.surface is None or not surface_differs(self.surface, self.observed.surface):
            return ()
        return (PublishSurface(self.surface).key,)
