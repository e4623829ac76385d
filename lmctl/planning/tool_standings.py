"""How a tool server stands: by what its host last saw of it."""

from collections.abc import Iterator

from lmctl.planning.common_conditions import common
from lmctl.planning.conditions import (
    Condition,
    ConditionType,
    Facts,
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
from lmctl.planning.seen_tools import SeenToolServer, ToolPhase
from lmctl.planning.wanted_tools import WantedToolServer

HEAVY = 4000
"""Tokens of definitions above which it is told that they weigh on every prompt that offers them."""
_BYTES_PER_TOKEN = 4  # of JSON in English; near enough to tell light from heavy
_OFF = "not started: the Server says `mcp.allowFile: false`, so no request may use it"
_HEALTH = {
    State.READY: HealthState.HEALTHY,
    State.SUSPENDED: HealthState.SUSPENDED,
    State.RECONCILING: HealthState.PROGRESSING,
}


def tool_standings(
    desired: DesiredState, observed: ObservedState, judge: Judge
) -> Iterator[Standing]:
    """Yield the standing of every server of mcp.json."""
    seen = {each.name: each for each in observed.tool_servers}
    for want in desired.tool_servers:
        yield _hosted(want, seen.get(want.name), desired, judge)
    for name in desired.tool_servers_off:
        off = Condition(ConditionType.CONNECTED, Truth.FALSE, Reason.TURNED_OFF, _OFF)
        yield _standing(f"mcp/{name}", AS_DECLARED, _OFF, (off,), {}, desired, judge)


def _hosted(
    want: WantedToolServer, seen: SeenToolServer | None, desired: DesiredState, judge: Judge
) -> Standing:
    key = f"mcp/{want.name}"
    verdict = _verdict(want, seen)
    if (why := judge.suspension(key)) is not None:
        verdict = Verdict(State.SUSPENDED, Reason.SUSPENDED, why, verdict.sync)
    up = seen is not None and seen.phase is ToolPhase.READY
    reason = Reason.TOOLS_LISTED if up else Reason.NOT_CONNECTED
    connected = Condition(ConditionType.CONNECTED, Truth.of(up), reason, verdict.message)
    facts = _facts(want, seen)
    return _standing(key, verdict, verdict.message, (connected,), facts, desired, judge)


def _verdict(want: WantedToolServer, seen: SeenToolServer | None) -> Verdict:
    if seen is None:
        return Verdict(State.RECONCILING, Reason.PLANNED, "to be started by the daemon")
    if seen.digest != want.digest:
        return Verdict(State.RECONCILING, Reason.EDITED, "declared otherwise: to be replaced")
    match seen.phase:
        case ToolPhase.READY:
            return Verdict(State.READY, Reason.AS_DECLARED, _ready(seen), Sync.SYNCED)
        case ToolPhase.STARTING:
            again = f"connecting again: {seen.reason}" if seen.reason else "connecting"
            return Verdict(State.RECONCILING, Reason.WORKING, again, Sync.SYNCED, begun=True)
        case ToolPhase.FAILING:
            return Verdict(
                State.RETRYING, Reason.TRANSIENT_FAILURE, seen.reason, Sync.SYNCED, begun=True
            )
        case ToolPhase.STUCK:
            return Verdict(State.STALLED, Reason.NEEDS_CHANGE, seen.reason, Sync.SYNCED, begun=True)


def _ready(seen: SeenToolServer) -> str:
    tokens = _tokens(seen)
    told = f"{len(seen.tools)} tools, about {tokens} tokens of every prompt that offers them"
    heavy = "; that is much: let requests name the few they need in `allowed_tools`"
    return told + (heavy if tokens > HEAVY else "")


def _tokens(seen: SeenToolServer) -> int:
    return round(seen.definitions / _BYTES_PER_TOKEN)


def _facts(want: WantedToolServer, seen: SeenToolServer | None) -> Facts:
    return {
        "id": f"mcp/{want.label}",
        "target": want.command or want.url.partition("?")[0],
        "protocol": (seen.protocol or None) if seen else None,
        "tools": list(seen.tools) if seen else [],
        "definitionTokens": _tokens(seen) if seen else None,
        "failures": seen.failures if seen else None,
    }


def _standing(
    key: str,
    verdict: Verdict,
    message: str,
    aspects: tuple[Condition, ...],
    facts: Facts,
    desired: DesiredState,
    judge: Judge,
) -> Standing:
    return Standing(
        key=key,
        state=verdict.state,
        message=message,
        generation=desired.generation,
        facts=facts,
        sync=verdict.sync,
        health=_HEALTH.get(verdict.state, HealthState.DEGRADED),
        conditions=(*common(verdict, message, judge.suspension(key)), *aspects),
    )
