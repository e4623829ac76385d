"""How much is read beside those who decode follows from how long steps take."""

import pytest

from lmctl.runner.pace import FORGIVEN, LEAST, LONGEST, PATIENCE, STRETCH, UNKNOWN, Pace

LONG = 100_000
"""Tokens of a prompt that nobody would wait for."""


def learned(*, decoding, per_token, steps=50, most=512):
    """Return a pace that saw a machine of so many seconds for decoding and for each token read."""
    pace = Pace(most)
    for _ in range(steps):
        pace.took(decoding=4, reading=0, seconds=decoding)
        reading = beside(pace)
        pace.took(decoding=4, reading=reading, seconds=decoding + per_token * reading)
    return pace


def beside(pace, *, decoding=4, reading=1):
    return pace.beside(decoding=decoding, left=[LONG] * reading)


def read_alone(pace, *, per_token, tokens=100):
    """Let it see how long prompts take that are read as a whole."""
    pace.took(decoding=0, reading=tokens, seconds=tokens * per_token)
    return pace


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


def test_tokens_that_would_cost_as_much_as_a_whole_row_wait():
    pace = Pace(512, rows=4)

    assert [beside(pace, decoding=each) + each for each in (4, 5, 6, 7, 8)] == [20, 20, 20, 20, 24]


def test_prompts_that_are_soon_read_are_read_at_once():
    pace = read_alone(learned(decoding=0.030, per_token=0.002), per_token=0.001)
    most = int(PATIENCE / 0.001)

    assert pace.beside(decoding=4, left=[most - 1]) == most - 1
    assert pace.beside(decoding=4, left=[most + 1]) == beside(pace)
    assert pace.beside(decoding=4, left=[200, 200, LONG]) == 400
    assert pace.beside(decoding=4, left=[LONG, 200]) == beside(pace, reading=2)


def test_the_others_wait_for_so_long_at_most_however_many_begin():
    pace = read_alone(learned(decoding=0.030, per_token=0.002, most=8192), per_token=0.001)

    assert pace.beside(decoding=4, left=[100] * 99) == pytest.approx(LONGEST / 0.001, abs=100)


def test_who_has_waited_lately_waits_no_more_until_it_is_forgiven():
    pace = read_alone(learned(decoding=0.030, per_token=0.002), per_token=0.001)
    whole = int(PATIENCE / 0.001) - 1
    assert pace.beside(decoding=4, left=[whole]) == whole
    pace.took(decoding=4, reading=whole, seconds=0.030 + whole * 0.001)

    assert pace.beside(decoding=4, left=[whole]) == beside(pace)
    for _ in range(round(PATIENCE / FORGIVEN / 0.030) + 1):
        pace.took(decoding=4, reading=0, seconds=0.030)
    assert pace.beside(decoding=4, left=[whole]) == whole


def test_reading_in_pieces_is_learned_from_pieces_only():
    pace = read_alone(learned(decoding=0.030, per_token=0.002), per_token=0.001)
    before = beside(pace)
    pace.beside(decoding=4, left=[300])
    pace.took(decoding=4, reading=300, seconds=0.030 + 300 * 0.0005)

    assert beside(pace) == before
