"""Who gets a place in memory: every small box, and the cases a person would ask about."""

from itertools import product

import pytest

from lmctl.planning.fit.budget import Budget
from lmctl.planning.fit.placing import (
    Tenant,
    drain_fits,
    place,
    surge_fits,
    used,
)

GIB = 1024**3


def room(size: float | None) -> Budget:
    return Budget(
        None if size is None else int(size * GIB), "balanced", "balanced keeps 4.0 GiB back"
    )


def tenant(name: str, need: float, **more) -> Tenant:
    return Tenant(name, int(need * GIB), **more)


def test_a_refusal_is_said_in_numbers():
    verdict = surge_fits(tenant("b", 4.6), [tenant("a", 8.1)], room(11.2))
    assert not verdict.fits
    assert verdict.words == (
        "needs 4.6 GiB, 3.1 GiB of 11.2 GiB free for models (balanced keeps 4.0 GiB back)"
    )


def test_without_a_limit_everything_fits():
    verdict = surge_fits(tenant("b", 4.6), [tenant("a", 800)], Budget(None, "off", "no guardrails"))
    assert (verdict.fits, verdict.free) == (True, None)
    assert verdict.words == "needs 4.6 GiB, no guardrails"


@pytest.mark.parametrize(
    ("candidate", "surge", "drain"),
    [
        pytest.param(3.0, True, True, id="beside the old one"),
        pytest.param(6.0, False, True, id="only in its place"),
        pytest.param(9.0, False, False, id="not at all"),
    ],
)
def test_a_replacement_surges_where_both_fit_and_drains_where_one_does(candidate, surge, drain):
    running = [tenant("chat", 5), tenant("other", 2)]
    assert surge_fits(tenant("chat", candidate), running, room(10)).fits is surge
    assert drain_fits(tenant("chat", candidate), running, room(10)).fits is drain


def test_a_file_that_two_map_counts_once():
    """A reload of the same weights needs its cache only: the pages are there."""
    old = tenant("chat", 5, weights="w", mapped=4 * GIB)
    new = tenant("chat", 6, weights="w", mapped=4 * GIB)
    assert used([old, new]) == 7 * GIB
    assert surge_fits(new, [old], room(7)).fits
    assert surge_fits(new, [old], room(7)).need == 2 * GIB
    other = tenant("chat", 6, weights="v", mapped=4 * GIB)
    assert used([old, other]) == 11 * GIB


def test_the_higher_priority_is_placed_first_and_equal_ones_by_name():
    wanted = [tenant("a", 3), tenant("c", 3), tenant("b", 3, priority=1)]
    found = place(wanted, [], room(6))
    assert [(each.name, each.verdict.fits) for each in found] == [
        ("b", True),
        ("a", True),
        ("c", False),
    ]


def test_the_lowest_goes_first_and_no_more_than_needed():
    running = [tenant("low", 1), tenant("lower", 3, priority=-1), tenant("high", 4, priority=5)]
    (found,) = place([tenant("new", 3, priority=2)], running, room(8))
    assert found.evicts == ("lower",)
    (found,) = place([tenant("new", 4, priority=2)], running, room(8))
    assert set(found.evicts) == {"low", "lower"}


def test_whoever_is_not_enough_is_left_alone():
    (found,) = place([tenant("new", 9, priority=2)], [tenant("low", 1)], room(8))
    assert (found.verdict.fits, found.evicts) == (False, ())


def test_one_whose_eviction_turns_out_needless_stays():
    running = [tenant("a", 1), tenant("b", 6, priority=1)]
    (found,) = place([tenant("new", 5, priority=2)], running, room(7))
    assert found.evicts == ("b",)


def test_every_small_box_is_decided_soundly():
    """All boxes of two that run and two that should, with needs of 1 to 3 and priorities 0 and 1."""
    sizes = [(need, priority) for need in (1, 2, 3) for priority in (0, 1)]
    tried = 0
    for ran, should, size in product(product(sizes, repeat=2), product(sizes, repeat=2), (3, 4)):
        running = [tenant(n, a, priority=p) for n, (a, p) in zip("ab", ran, strict=True)]
        wanted = [tenant(n, a, priority=p) for n, (a, p) in zip("bc", should, strict=True)]
        check(running, wanted, size)
        tried += 1
    assert tried == 6**4 * 2


def check(running: list[Tenant], wanted: list[Tenant], size: int) -> None:
    before, there = used(running), {each.name: each for each in running}
    by_name = {each.name: each for each in wanted}
    for each in place(wanted, running, room(size)):
        asked = by_name[each.name]
        without = [e for e in there.values() if e.name != each.name]
        assert each.verdict.fits == (used([*without, asked]) <= size * GIB)
        if each.verdict.fits:
            assert each.evicts == ()
        for name in each.evicts:
            assert there[name].priority < asked.priority
            kept = [e for e in without if e.name not in set(each.evicts) - {name}]
            assert used([*kept, asked]) > size * GIB, "nobody goes without need"
        if each.verdict.fits or each.evicts:
            there = {n: e for n, e in there.items() if n not in each.evicts} | {each.name: asked}
    assert used(there.values()) <= max(size * GIB, before)
