"""Who gets a place in memory: what runs, what should run, and how much there is for both."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from lmctl.base.quantities import format_size
from lmctl.planning.fit.budget import Budget


class Tenant(msgspec.Struct, frozen=True):
    """An instance that takes memory, or would.

    `need` is its peak in bytes, measured where it is known. `mapped` of it are pages of the
    weights' file, which lie in memory once for all tenants of the same `weights`. With memory
    short, the higher `priority` stays.
    """

    name: str
    need: int
    weights: str = ""
    mapped: int = 0
    priority: int = 0


class Verdict(msgspec.Struct, frozen=True):
    """Whether something fits: what it needs beside what runs, and what is free for it (None: as
    much as you like). `words` say it to a person.
    """

    fits: bool
    need: int
    free: int | None
    words: str


class Placed(msgspec.Struct, frozen=True):
    """What becomes of one candidate. `evicts` are names that must go first to make room for it."""

    name: str
    verdict: Verdict
    evicts: tuple[str, ...] = ()


def used(tenants: Iterable[Tenant]) -> int:
    """Return the bytes tenants take together; a file that several map counts once."""
    mapped: dict[str, int] = {}
    private = 0
    for each in tenants:
        if each.weights and each.mapped:
            private += each.need - each.mapped
            mapped[each.weights] = max(mapped.get(each.weights, 0), each.mapped)
        else:
            private += each.need
    return private + sum(mapped.values())


def surge_fits(candidate: Tenant, running: Sequence[Tenant], budget: Budget) -> Verdict:
    """Say whether a candidate fits beside all that runs, the runner it replaces included."""
    before = used(running)
    need = used((*running, candidate)) - before
    free = None if budget.size is None else max(0, budget.size - before)
    return Verdict(free is None or need <= free, need, free, _words(need, free, budget))


def drain_fits(candidate: Tenant, running: Sequence[Tenant], budget: Budget) -> Verdict:
    """Say whether a candidate fits once the runners of its own name are gone."""
    return surge_fits(candidate, [e for e in running if e.name != candidate.name], budget)


def place(
    candidates: Sequence[Tenant], running: Sequence[Tenant], budget: Budget
) -> tuple[Placed, ...]:
    """Decide for a whole box, the highest priority first (equal ones by name).

    A candidate takes the place of the runners of its own name. One that does not fit may have
    tenants of a lower priority evicted, the lowest first, if that is enough; nothing that runs is
    ever asked to go for less, nor because a budget shrank.
    """
    return tuple(_placed(candidates, list(running), budget))


def _placed(candidates: Sequence[Tenant], there: list[Tenant], budget: Budget) -> Iterator[Placed]:
    for each in sorted(candidates, key=lambda tenant: (-tenant.priority, tenant.name)):
        verdict = drain_fits(each, there, budget)
        evicted = () if verdict.fits else _victims(each, there, budget)
        if verdict.fits or evicted:
            there = [e for e in there if e.name not in (each.name, *evicted)] + [each]
        yield Placed(each.name, verdict, evicted)


def _victims(candidate: Tenant, there: Sequence[Tenant], budget: Budget) -> tuple[str, ...]:
    """Return the fewest names of lower priority without which it fits, lowest first; () for none."""
    lower = [e for e in there if e.priority < candidate.priority and e.name != candidate.name]
    gone: list[str] = []
    for each in sorted(lower, key=lambda tenant: (tenant.priority, -tenant.need, tenant.name)):
        gone.append(each.name)
        left = [e for e in there if e.name not in gone]
        if drain_fits(candidate, left, budget).fits:
            return _without_needless(candidate, there, gone, budget)
    return ()


def _without_needless(
    candidate: Tenant, there: Sequence[Tenant], gone: list[str], budget: Budget
) -> tuple[str, ...]:
    """Keep whoever need not go, the highest priority first to be kept."""
    for name in reversed(gone[:]):
        fewer = [each for each in gone if each != name]
        if drain_fits(candidate, [e for e in there if e.name not in fewer], budget).fits:
            gone = fewer
    return tuple(gone)


def _words(need: int, free: int | None, budget: Budget) -> str:
    if free is None or budget.size is None:
        return f"needs {format_size(need)}, {budget.reason}"
    return (
        f"needs {format_size(need)}, {format_size(free)} of {format_size(budget.size)} free for "
        f"models ({budget.reason})"
    )
