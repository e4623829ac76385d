"""What `doctor` makes of builds and clocks, and how findings are shown."""

import pytest

from lmctl.cli.doctor_machine import clock_finding, engine_finding
from lmctl.cli.render_doctor import fail, failed, ok, render_findings, warn

AVX2 = frozenset({"avx", "avx2"})
AVX512 = AVX2 | {"avx512f"}


@pytest.mark.parametrize(
    ("built", "here", "state", "said"),
    [
        (AVX2, AVX2, "ok", "built for this processor: avx, avx2"),
        (AVX512, AVX2, "fail", "built for avx512f, which this processor lacks"),
        (AVX2, AVX512, "warn", "built without avx512f"),
        (AVX2, None, "ok", "works"),
        ("it was killed by signal 4", AVX2, "fail", "it was killed by signal 4"),
    ],
)
def test_a_build_is_held_against_the_processor(built, here, state, said):
    found = engine_finding(built, here)
    assert (found.state, found.reason.startswith(said)) == (state, True)
    assert bool(found.fix) == (state != "ok")


@pytest.mark.parametrize(
    ("now", "told", "state", "said"),
    [
        (2e9, None, "ok", "2033-05-18"),
        (2e9, 2e9 + 60, "ok", "as the hub's"),
        (2e9, 2e9 + 3600, "warn", "1h00m behind the hub's"),
        (2e9 + 3600, 2e9, "warn", "1h00m ahead of the hub's"),
        (1e9, None, "fail", "before lmctl was installed"),
    ],
)
def test_a_clock_is_held_against_the_hubs_and_the_installation(now, told, state, said):
    found = clock_finding(now, told, since=1.9e9)
    assert (found.state, said in found.reason) == (state, True), found.reason


def test_findings_are_shown_with_what_to_do_and_counted():
    found = [
        ok("python", "3.11"),
        warn("lock", "not locked: x", "lock it"),
        fail("disk", "full", "gc"),
    ]
    assert render_findings(found).splitlines() == [
        "ok    python  3.11",
        "warn  lock    not locked: x",
        "              -> lock it",
        "fail  disk    full",
        "              -> gc",
        "",
        "1 ok, 1 warn, 1 fail",
    ]
    assert failed(found)
    assert not failed(found[:2])
