"""Rule: every declared instance has exactly one runner that runs what is declared."""

import dataclasses
from collections.abc import Iterator

from lmctl.base.changes import ChangeClass
from lmctl.base.quantities import format_size
from lmctl.base.spec import LoadSettings, Phase
from lmctl.planning.desired import DesiredState
from lmctl.planning.fit.need import needed
from lmctl.planning.instance_changes import instance_changes
from lmctl.planning.observed import SeenRunner
from lmctl.planning.plan import (
    Disruption,
    EnsureRuntime,
    FetchWeights,
    FieldChange,
    LoadInstance,
    Planned,
    RenameInstance,
    RestoreInstance,
    SwitchRoute,
    UnloadInstance,
    VerifyWeights,
)
from lmctl.planning.rollout import Rollout, to_recycle
from lmctl.planning.scene import Scene
from lmctl.planning.weights_values import WeightsState


def instances(scene: Scene) -> Iterator[Planned]:
    """Plan loads, replacements, renames and unloads."""
    for rollout in scene.rollouts.values():
        yield from _Rules(rollout, scene).plan()
    for seen in scene.unwanted:
        yield _ending(
            UnloadInstance(seen.name, seen.uid, seen.max_drain),
            seen,
            _why_over(seen, scene.desired),
            after=scene.publish,
            disruption=Disruption.OUTAGE,
        )


class _Rules:
    """What to do about one instance."""

    def __init__(self, rollout: Rollout, scene: Scene) -> None:
        self._rollout = rollout
        self._want = rollout.want
        self._scene = scene
        self._desired = scene.desired
        self._observed = scene.observed
        self._changes = instance_changes(rollout, scene.observed)

    def plan(self) -> Iterator[Planned]:
        rollout = self._rollout
        if rollout.keep is not None and rollout.keep.name != self._want.name:
            yield self._rename(rollout.keep)
        if rollout.room.evicted_for:
            yield from self._make_way()
        elif rollout.proven:
            yield from self._switch_and_clear(after=())
        elif rollout.room.held or rollout.fallback is not None:
            yield from self._stay()
        elif rollout.surge:
            load = self._load(after=(*self._first(), *self._same_folder(), *rollout.room.after))
            yield load
            yield from self._switch_and_clear(after=(load.key,))
        else:
            yield from self._drain_and_load()

    def _rename(self, keep: SeenRunner) -> Planned:
        change = FieldChange(
            "metadata.name", keep.name, self._want.name, ChangeClass.IDENTITY, self._place("")
        )
        because = f"it was called {keep.name}"
        return Planned(self._renaming(keep), because, self._same_folder(), changes=(change,))

    def _renaming(self, keep: SeenRunner) -> RenameInstance:
        return RenameInstance(self._want.name, keep.uid, keep.name)

    def _switch_and_clear(self, after: tuple[str, ...]) -> Iterator[Planned]:
        """Send requests to the proven runner, then end the one they went to; end the rest at once."""
        because = f"requests go to the new runner of {self._want.name}"
        switch = self._switch(because, after)
        if switch is not None:
            yield switch
        for each in self._rollout.others:
            if each is self._rollout.serving:
                first = (*after, switch.key) if switch is not None else after
                yield self._unload(each, self._why_replaced(each), after=first)
            elif self._rollout.proven or not self._needed_for_load(each):
                yield self._unload(each, self._why_extra(each))

    def _needed_for_load(self, seen: SeenRunner) -> bool:
        """Say whether a load takes the place of a dead runner, or may have to bring it back."""
        same = seen.spec_digest == self._want.spec_digest
        return not seen.alive and (same or seen.retired)

    def _switch(self, because: str, after: tuple[str, ...]) -> Planned | None:
        """Return the step after which requests no longer go to the runner that serves them now."""
        if self._rollout.serving is None:
            return None
        surface = self._scene.switched(self._want.name)
        if surface is None:
            return None
        step = SwitchRoute(self._want.name, self._want.spec_digest, surface)
        first = (*after, *self._scene.publish)
        return Planned(step, because, first, disruption=Disruption.HOT)

    def _drain_and_load(self) -> Iterator[Planned]:
        first = self._first()
        switch = self._switch(f"requests wait for the new runner of {self._want.name}", first)
        if switch is not None:
            yield switch
        emptied = (*first, switch.key) if switch is not None else first
        unloads = []
        for each in self._rollout.others:
            if not each.alive:
                if not self._needed_for_load(each):
                    yield self._unload(each, self._why_extra(each))
                continue
            unload = self._end_before_load(each, emptied)
            unloads.append(unload.key)
            yield unload
        if not self._rollout.runners:  # nothing ends for it, so no request must be led away before
            first = tuple(key for key in first if key not in self._scene.publish)
        after = (*first, *unloads, *self._rollout.room.after)
        yield self._load(after=after, park=bool(unloads) or self._missed())

    def _missed(self) -> bool:
        """Say whether clients are sent to it already and nothing is there to answer them."""
        surface = self._observed.surface
        served = any(each.phase is Phase.READY for each in self._rollout.runners)
        routed = surface is not None and any(e.instance == self._want.name for e in surface.routes)
        return routed and not served

    def _end_before_load(self, each: SeenRunner, emptied: tuple[str, ...]) -> Planned:
        """Return the end of a runner that must make room; one that served may have to come back."""
        if each.phase not in (Phase.READY, Phase.DRAINING):
            return self._unload(each, self._why_extra(each))
        other = each.spec_digest != self._want.spec_digest
        return self._unload(
            each, self._why_replaced(each), after=emptied, park=True,
            retire=other and bool(each.proven),
        )  # fmt: skip

    def _stay(self) -> Iterator[Planned]:
        """Go on with what served before, if there is something; what is wanted cannot be."""
        rollout = self._rollout
        fallback, failed = rollout.fallback, rollout.failed
        first: tuple[str, ...] = self._scene.publish
        because = "its replacement failed" if failed else rollout.room.held
        why = f"{because}: {failed.reason or 'no reason given'}" if failed else because
        if fallback is not None and fallback.phase is not Phase.READY:
            back = tuple(self._bring_back(fallback, because))
            first = (*first, *(each.key for each in back))
            yield from back
        for each in rollout.others:
            if each not in (fallback, failed) and not self._needed_for_load(each):
                yield self._unload(each, self._why_extra(each))
        if fallback is not None and failed is not None:
            why = f"{why}; the one before serves until the next edit of it"
        yield dataclasses.replace(self._load(after=first), held=why, blocked=True)

    def _bring_back(self, before: SeenRunner, because: str) -> Iterator[Planned]:
        """Start the runner again that was ended, once it is; until it serves, so that it is opened."""
        ended: tuple[str, ...] = ()
        if before.phase is Phase.DRAINING:
            end = self._unload(before, because, park=True, retire=True)
            ended = (end.key,)
            yield end
        step = RestoreInstance(self._want.name, before.uid)
        park = Disruption.PARK
        yield Planned(step, because, ended, memory=before.memory, disruption=park)

    def _make_way(self) -> Iterator[Planned]:
        """End what runs for the sake of a more important instance; it is loaded once there is room."""
        room, unloads = self._rollout.room, []
        for each in self._rollout.runners:
            because = f"makes room for instance/{room.evicted_for}"
            unload = self._unload(each, because, outage=True)
            unloads.append(unload.key)
            yield unload
        yield dataclasses.replace(self._load(after=tuple(unloads)), held=room.held, blocked=True)

    def _load(self, *, after: tuple[str, ...], park: bool = False) -> Planned:
        want, because = self._want, self._why_load()
        if (fitted := self._rollout.room.load) is not None:
            because = f"{because}; {_less(want.load, fitted)}"
            want = dataclasses.replace(want, load=fitted)
        return Planned(
            LoadInstance(want),
            because=because,
            after=(*after, *(self._scene.making_way if want.owner == "jit" else ())),
            memory=needed(want, self._observed),
            disruption=Disruption.PARK if park else Disruption.NONE,
            changes=self._changes,
        )

    def _first(self) -> tuple[str, ...]:
        """Return the keys of the steps without which a load cannot begin."""
        want, observed = self._want, self._observed
        keys = []
        for weights in want.all_weights:
            state = observed.seen_weights(weights.key).state
            if state is WeightsState.ABSENT:
                keys.append(FetchWeights(weights).key)
            elif state is WeightsState.SUSPECT:
                keys.append(VerifyWeights(weights).key)
        keys += [
            EnsureRuntime(each).key
            for each in self._desired.runtimes
            if each.name == want.runtime and each.name not in observed.runtimes
        ]
        if self._rollout.keep is not None and self._rollout.keep.name != want.name:
            keys.append(self._renaming(self._rollout.keep).key)
        return (*keys, *self._scene.publish)

    def _same_folder(self) -> tuple[str, ...]:
        """Return the unloads of runners whose folder and socket the new one will have."""
        return tuple(
            UnloadInstance(self._want.name, each.uid, 0.0).key
            for each in self._rollout.others
            if each.alive and each.spec_digest == self._want.spec_digest
        )

    def _why_load(self) -> str:
        keep = self._rollout.keep
        if keep is not None and keep.phase in (Phase.READY, Phase.PROVING):
            return "its checks changed" if keep.proven else "loaded, to be proven"
        if keep is not None:
            return f"loading, {keep.progress:.0%}"
        old = next(iter(self._rollout.others), None)
        if old is None:
            return (
                "a request asks for it" if self._want.owner == "jit" else "declared and not loaded"
            )
        if not old.alive and not old.retired:
            return f"its runner is gone: {old.reason or 'no reason given'}"
        return self._why_replaced(old)

    def _why_replaced(self, seen: SeenRunner) -> str:
        if seen.hung:
            return f"it hangs: {seen.hung}"
        if seen.spec_digest != self._want.spec_digest:
            return "; ".join(map(str, self._changes)) or "what it should run changed"
        if seen.phase is Phase.DRAINING:
            return "it is draining"
        if to_recycle(seen, self._want):
            return f"{_over(seen, self._want.memory or 0)} and is idle"
        if seen.spoiled:
            return "its weights were found damaged on disk after it loaded them"
        return "it runs other weights than those on disk"

    def _why_extra(self, seen: SeenRunner) -> str:
        if not seen.alive:
            return "left by a dead runner"
        if seen.hung:
            return f"it hangs: {seen.hung}"
        if seen.spec_digest == self._want.spec_digest:
            return "a second runner of it"
        if seen.phase in (Phase.READY, Phase.DRAINING):
            return self._why_replaced(seen)
        return "no longer what is wanted"

    def _unload(
        self,
        seen: SeenRunner,
        because: str,
        *,
        after: tuple[str, ...] = (),
        park: bool = False,
        outage: bool = False,
        retire: bool = False,
    ) -> Planned:
        step = UnloadInstance(self._want.name, seen.uid, self._want.max_drain, retire=retire)
        disruption = Disruption.PARK if park else Disruption.NONE
        disruption = Disruption.OUTAGE if outage else disruption
        return _ending(step, seen, because, after=after, disruption=disruption)

    def _place(self, path: str) -> str:
        return self._want.places.get(path, "")


def _less(wanted: LoadSettings, fitted: LoadSettings) -> str:
    """Return what auto-fit left of the wishes."""
    words = f"its context is {fitted.context_length} tokens instead of {wanted.context_length}"
    if fitted.parallel < wanted.parallel:
        words += f", {fitted.parallel} at once instead of {wanted.parallel}"
    return f"{words}: there is no memory for more"


def _why_over(seen: SeenRunner, desired: DesiredState) -> str:
    if seen.name in desired.leaving:
        return desired.leaving[seen.name].reason
    asleep = any(each.name == seen.name for each in desired.asleep)
    return "no request asked for it yet" if asleep else "no longer declared"


def _ending(
    step: UnloadInstance,
    seen: SeenRunner,
    because: str,
    *,
    after: tuple[str, ...],
    disruption: Disruption,
) -> Planned:
    if seen.hung:  # it will not finish anything
        step = dataclasses.replace(step, max_drain=0.0, retire=False, kill=seen.silent)
    return Planned(
        step,
        because,
        after=after,
        memory=-seen.memory,
        disruption=disruption if seen.alive else Disruption.NONE,
    )


def _over(seen: SeenRunner, budget: int) -> str:
    used, may = format_size(seen.memory), format_size(budget)
    return f"it uses {used}, above its budget of {may},"
