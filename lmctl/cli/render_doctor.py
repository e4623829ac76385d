"""Findings of `doctor`: what a program reads, and the lines for people. Pure."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec


class State(StrEnum):
    """How something is: fine, worth a look, or in the way."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing looked at: how it is, why, and what to do about it where that is not fine."""

    check: str
    state: State
    reason: str
    fix: str = ""


def ok(check: str, reason: str) -> Finding:
    """Return that something is fine."""
    return Finding(check, State.OK, reason)


def warn(check: str, reason: str, fix: str) -> Finding:
    """Return that something is worth a look."""
    return Finding(check, State.WARN, reason, fix)


def fail(check: str, reason: str, fix: str) -> Finding:
    """Return that something is in the way."""
    return Finding(check, State.FAIL, reason, fix)


def failed(found: Sequence[Finding]) -> bool:
    """Say whether anything is in the way."""
    return any(each.state is State.FAIL for each in found)


def render_findings(found: Sequence[Finding]) -> str:
    """Return a line per finding, what to do below it, and how many are not fine."""
    wide = max(len(each.check) for each in found)
    lines = []
    for each in found:
        lines.append(f"{each.state.value:<5} {each.check:<{wide}}  {each.reason}")
        if each.fix:
            lines.append(f"{'':<5} {'':<{wide}}  -> {each.fix}")
    counts = [
        f"{number} {state.value}"
        for state in State
        if (number := sum(each.state is state for each in found))
    ]
    return "\n".join([*lines, "", ", ".join(counts)])
