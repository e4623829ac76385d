"""What models may use together, for every guardrail."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.planning.fit.budget import MODES, Guardrails, budget, kept_back
from lmctl.planning.host_profile import Cores, Disk, HostProfile, Memory

MIB, GIB = 1024**2, 1024**3


def host(limit: int, others: int = 0) -> HostProfile:
    memory = Memory(total=64 * GIB, limit=limit, others=others)
    return HostProfile("box", "linux", "x86_64", Cores(8, 4, 4.0), memory, Disk(1, 1))


@pytest.mark.parametrize(
    ("mode", "limit", "kept"),
    [
        ("relaxed", 16 * GIB, 1.6 * GIB),
        ("balanced", 16 * GIB, 3.2 * GIB),
        ("strict", 16 * GIB, 5.6 * GIB),
        ("relaxed", 2 * GIB, 512 * MIB),
        ("balanced", 4 * GIB, 1 * GIB),
        ("strict", 3 * GIB, 1.5 * GIB),
        ("balanced", 1 * GIB, 512 * MIB),
        ("relaxed", 256 * GIB, 4 * GIB),
        ("balanced", 256 * GIB, 16 * GIB),
        ("strict", 256 * GIB, 64 * GIB),
    ],
)
def test_a_guardrail_keeps_a_share_back_within_bounds(mode, limit, kept):
    found = budget(host(limit), Guardrails(mode))
    assert found.size == limit - int(kept)


def test_off_has_no_limit():
    found = budget(host(16 * GIB, others=15 * GIB), Guardrails("off"))
    assert (found.size, found.reason) == (None, "guardrails are off")


def test_custom_is_exactly_the_threshold_and_never_more_than_there_is():
    assert budget(host(16 * GIB), Guardrails("custom", 6 * GIB)).size == 6 * GIB
    assert budget(host(4 * GIB), Guardrails("custom", 6 * GIB)).size == 4 * GIB


def test_others_count_only_when_they_use_more_than_is_kept_back():
    quiet = budget(host(16 * GIB, others=3 * GIB), Guardrails("balanced"))
    assert quiet == budget(host(16 * GIB), Guardrails("balanced"))
    busy = budget(host(16 * GIB, others=6 * GIB), Guardrails("balanced"))
    assert (busy.size, busy.reason) == (10 * GIB, "other programs use 6.0 GiB of 16.0 GiB")


def test_the_reason_says_what_is_kept():
    found = budget(host(16 * GIB), Guardrails("balanced"))
    assert found.reason == "balanced keeps 3.2 GiB of 16.0 GiB back"


@given(st.integers(0, 2**42), st.integers(0, 2**42))
def test_a_stricter_guardrail_never_gives_more(limit, others):
    given_by = [budget(host(limit, others), Guardrails(mode)).size for mode in MODES[1:4]]
    assert all(0 <= less <= more <= limit for more, less in pairwise(given_by))


@given(st.integers(0, 2**42), st.integers(0, 2**30), st.sampled_from(MODES[1:4]))
def test_more_memory_never_gives_less(limit, more, mode):
    small, large = (budget(host(each), Guardrails(mode)).size for each in (limit, limit + more))
    assert small <= large
    assert kept_back(host(limit).memory, mode) <= limit // 2
