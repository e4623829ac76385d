"""Digests and quantities: the same thing has one digest, a size is a number ever after."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec
import pytest
from pydantic import BaseModel

from lmctl.base.digests import canonical, digest, short
from lmctl.base.quantities import (
    format_duration,
    format_size,
    parse_duration,
    parse_size,
    write_duration,
    write_size,
)


class Colour(StrEnum):
    RED = "red"


class Named(msgspec.Struct):
    name: str


@dataclass
class Point:
    x: float


class Wire(BaseModel):
    left_out: int | None = None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ({"a": 1}, {"a": 1.0}),
        ((1, 2), [1, 2]),
        ({3, 1, 2}, frozenset({1, 2, 3})),
        (Colour.RED, "red"),
        (Wire(), {}),
    ],
)
def test_equal_things_have_one_digest(one, other):
    assert digest(one) == digest(other)


@pytest.mark.parametrize(
    ("one", "other"), [(1, "1"), (True, 1), (1.5, 1), (None, ""), (Point(1), Named("1"))]
)
def test_different_things_do_not(one, other):
    assert digest(one) != digest(other)


def test_a_thing_without_a_form_is_refused():
    with pytest.raises(TypeError, match="no canonical form for object"):
        canonical(object())


def test_a_short_digest_is_twelve_characters():
    assert short(digest(1)) == digest(1)[:12]


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8Gi", 8 * 1024**3),
        ("512M", 512_000_000),
        (5, 5),
        ("1.5Ki", 1536),
        ("10 MiB", 10 * 1024**2),
    ],
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["5 gigs", "", "-1", -1, True, None, 1.5, "9" * 400])
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as 512Mi or 8Gi"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("15m", 900), ("1h30m", 5400), ("250ms", 0.25), (3, 3), ("2d", 172800)]
)
def test_durations(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["5", "soon", True, None, -3, float("inf"), "9" * 400 + "s"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as 30s, 15m or 1h30m"):
        parse_duration(text)


def test_numbers_as_people_read_them():
    sizes = [format_size(n) for n in (512, 2048, 98_362_432, 5 * 1024**3, 2 * 1024**4)]
    assert sizes == ["512 B", "2.0 KiB", "93.8 MiB", "5.0 GiB", "2.0 TiB"]
    times = [format_duration(n) for n in (0.84, 45, 200, 7500)]
    assert times == ["0.8s", "45s", "3m20s", "2h05m"]


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0"), (1500, "1500"), (1024, "1Ki"), (4 << 30, "4Gi"), (1536 << 20, "1536Mi")],
)
def test_a_size_is_written_so_that_it_reads_the_same(size, text):
    assert write_size(size) == text
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (90, "1m30s"),
        (3600, "1h"),
        (604800, "7d"),
        (90061.5, "1d1h1m1s500ms"),
    ],
)
def test_a_duration_is_written_so_that_it_reads_the_same(seconds, text):
    assert write_duration(seconds) == text
    assert parse_duration(text) == seconds
