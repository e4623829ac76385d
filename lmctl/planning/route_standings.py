"""How a Route stands: as the best of what it leads to, for one target that is up is enough."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from lmctl.planning.common_conditions import common
from lmctl.planning.conditions import (
    SEVERITY,
    Condition,
    ConditionType,
    HealthState,
    Reason,
    Standing,
    State,
    Sync,
    Truth,
)
from lmctl.planning.desired import DesiredState
from lmctl.planning.judging import AS_DECLARED, Judge, Verdict
from lmctl.planning.observed import ObservedState
from lmctl.planning.surface import ServedAlias


def route_standings(
    desired: DesiredState, observed: ObservedState, judge: Judge, objects: Sequence[Standing]
) -> Iterator[Standing]:
    """Yield the standing of every declared Route, from those of its instances."""
    instances = {each.name: each for each in objects if each.kind == "instance"}
    published = observed.surface.aliases if observed.surface is not None else ()
    for alias in desired.surface.aliases if desired.surface is not None else ():
        found = _Reach.of(alias, instances)
        verdict = found.verdict
        if alias not in published:
            verdict = _unpublished(judge)
        yield _standing(alias, found, verdict, desired, judge)


@dataclass(frozen=True, slots=True)
class _Reach:
    """What a Route leads to: the targets that are up, the fallbacks that are, the rest."""

    targets: tuple[str, ...]
    fallback: tuple[str, ...]
    down: tuple[Standing, ...]

    @classmethod
    def of(cls, alias: ServedAlias, instances: Mapping[str, Standing]) -> "_Reach":
        """Look at the instances a Route leads to; a target of weight 0 counts for nothing."""
        wanted = [each.instance for each in alias.targets if each.weight != 0]
        known = [instances[name] for name in (*wanted, *alias.fallback) if name in instances]
        up = {each.name for each in known if _answers(each)}
        return cls(
            targets=tuple(name for name in wanted if name in up),
            fallback=tuple(name for name in alias.fallback if name in up),
            down=tuple({each.name: each for each in known if each.name not in up}.values()),
        )

    @property
    def verdict(self) -> Verdict:
        if self.targets:
            return AS_DECLARED
        down = min(self.down, key=lambda each: SEVERITY.index(each.state), default=None)
        why = f"{down.key}: {down.message}" if down is not None else "it leads to nothing"
        state = down.state if down is not None else State.STALLED
        if state is State.READY:
            state = State.RECONCILING
        if self.fallback:
            words = f"answered by its fallback {self.fallback[0]}; {why}"
            return Verdict(state, Reason.FALLBACK, words, Sync.SYNCED)
        return Verdict(state, Reason.NO_RUNNER, f"waits for {why}", Sync.SYNCED)


def _answers(standing: Standing) -> bool:
    """Say whether a request for it is answered, be it by loading it first."""
    serving = standing.condition(ConditionType.SERVING)
    return serving is not None and (
        serving.status is Truth.TRUE or serving.reason is Reason.ON_DEMAND
    )


def _unpublished(judge: Judge) -> Verdict:
    verdict = judge.verdict("server/gateway")
    if verdict.state is State.READY:
        verdict = replace(verdict, state=State.RECONCILING, message="to be published")
    return replace(verdict, sync=Sync.OUT_OF_SYNC)


def _standing(
    alias: ServedAlias, reach: _Reach, verdict: Verdict, desired: DesiredState, judge: Judge
) -> Standing:
    key, total = f"route/{alias.name}", sum(each.weight or 0 for each in alias.targets)
    shares = [
        each.instance if each.weight is None else f"{each.instance} {each.weight / total:.0%}"
        for each in alias.targets
    ]
    down = ", ".join(each.name for each in reach.down)
    ready = f"leads to {', '.join(shares)}{f'; not up: {down}' if down else ''}"
    message = ready if verdict.state is State.READY else verdict.message
    serving = Truth.of(bool(reach.targets or reach.fallback))
    return Standing(
        key=key,
        state=verdict.state,
        message=message,
        generation=desired.generation,
        facts={
            "names": list(alias.names),
            "targets": list(map(str, alias.targets)),
            "fallback": list(alias.fallback),
            "up": [*reach.targets, *reach.fallback],
        },
        sync=verdict.sync,
        health=_health(reach, verdict),
        conditions=(
            *common(verdict, message, judge.suspension(key)),
            Condition(ConditionType.SERVING, serving, verdict.reason, message),
        ),
    )


def _health(reach: _Reach, verdict: Verdict) -> HealthState:
    if verdict.state is State.READY:
        return HealthState.HEALTHY
    if verdict.state is State.SUSPENDED:
        return HealthState.SUSPENDED
    if reach.fallback or verdict.state is not State.RECONCILING:
        return HealthState.DEGRADED
    return HealthState.PROGRESSING
