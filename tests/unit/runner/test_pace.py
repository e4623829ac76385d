"""How much is read beside those who decode follows from how long steps take."""

import pytest

from lmctl.runner.pace import LEAST, STRETCH, UNKNOWN, Pace


def learned(*, decoding, per_token, steps=50, most=512):
    """Return a pace that saw a machine of so many seconds for decoding and for each token read."""
    pace = Pace(most)
    for _ in range(steps):
        pace.took(decoding=4, reading=0, seconds=decoding)
        reading = beside(pace)
        pace.took(decoding=4, reading=reading, seconds=decoding + per_token * reading)
    return pace


def beside(pace, *, decoding=4, reading=1):
    return pace.beside(decoding=decoding, reading=reading)


def test_before_anything_was_seen_it_is_a_usual_number_that_fits_a_step():
    assert (beside(Pace(512)), beside(Pace(8))) == (UNKNOWN, 8)


@pytest.mark.parametrize(("decoding", "per_token"), [(0.030, 0.001), (0.010, 0.0001), (0.2, 0.002)])
def test_a_step_with_reading_takes_so_many_times_as_long_as_one_without(decoding, per_token):
    tokens = beside(learned(decoding=decoding, per_token=per_token))

    assert (decoding + tokens * per_token) / decoding == pytest.approx(STRETCH, abs=0.05)


def test_it_reads_some_however_slow_and_no_more_than_a_step_takes():
    assert beside(learned(decoding=0.01, per_token=0.1)) == LEAST
    assert beside(learned(decoding=1.0, per_token=0.0001)) == 512


def test_a_clock_that_stands_teaches_nothing():
    pace = Pace(512)
    pace.took(decoding=4, reading=0, seconds=0.0)
    pace.took(decoding=4, reading=9, seconds=0.0)

    assert beside(pace) == UNKNOWN


def test_it_knows_how_long_each_number_of_streams_takes():
    pace = learned(decoding=0.03, per_token=0.001)
    pace.took(decoding=16, reading=0, seconds=0.09)

    assert beside(pace, decoding=16) == pytest.approx(3 * beside(pace, decoding=4), abs=2)
    assert beside(pace, decoding=9) == pytest.approx(1.5 * beside(pace, decoding=4), abs=1)
    assert beside(pace, decoding=1) == pytest.approx(0.5 * beside(pace, decoding=4), abs=1)


def test_each_that_reads_may_take_as_much_time_as_one_alone():
    pace = learned(decoding=0.030, per_token=0.001)

    assert beside(pace, reading=3) == pytest.approx(3 * beside(pace), abs=2)
    assert beside(Pace(512), reading=3) == 3 * UNKNOWN
