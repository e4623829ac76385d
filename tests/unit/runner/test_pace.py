"""How much is read beside those who decode follows from how long steps take."""

import pytest

from lmctl.runner.pace import LEAST, STRETCH, UNKNOWN, Pace


def learned(*, decoding, per_token, steps=50, most=512):
    """Return a pace that saw a machine of so many seconds for decoding and for each token read."""
    pace = Pace(most)
    for _ in range(steps):
        pace.took(decoding=4, reading=0, seconds=decoding)
        reading = pace.beside
        pace.took(decoding=4, reading=reading, seconds=decoding + per_token * reading)
    return pace


def test_before_anything_was_seen_it_is_a_usual_number_that_fits_a_step():
    assert (Pace(512).beside, Pace(64).beside) == (UNKNOWN, 64)


@pytest.mark.parametrize(("decoding", "per_token"), [(0.030, 0.001), (0.010, 0.0001), (0.2, 0.002)])
def test_a_step_with_reading_takes_so_many_times_as_long_as_one_without(decoding, per_token):
    beside = learned(decoding=decoding, per_token=per_token).beside

    assert (decoding + beside * per_token) / decoding == pytest.approx(STRETCH, abs=0.05)


def test_it_reads_some_however_slow_and_no_more_than_a_step_takes():
    assert learned(decoding=0.01, per_token=0.1).beside == LEAST
    assert learned(decoding=1.0, per_token=0.0001).beside == 512


def test_a_clock_that_stands_teaches_nothing():
    pace = Pace(512)
    pace.took(decoding=4, reading=0, seconds=0.0)
    pace.took(decoding=4, reading=9, seconds=0.0)

    assert pace.beside == UNKNOWN


def test_it_follows_when_more_decode():
    pace = learned(decoding=0.03, per_token=0.001)
    before = pace.beside
    for _ in range(50):
        pace.took(decoding=16, reading=0, seconds=0.06)

    assert pace.beside > 1.5 * before
