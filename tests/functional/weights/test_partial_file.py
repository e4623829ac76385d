"""An unfinished file: what of it is here, whatever order it came in and whatever ended it."""

import itertools
import os
import random

import psutil
import pytest

from lmctl.adapters.weights.partial_file import PartialFile, arrived
from lmctl.adapters.weights.threads import Interrupted
from tests.support.weights_home import content, sha256

DATA = content(50_000)


def go_on():
    """Let it go on."""


def stop():
    raise Interrupted


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.part"


def put(part, start, end):
    part.write(start, DATA[start:end])


def closed(part):
    part.close()
    return part


def test_bytes_may_come_in_any_order_and_holes_are_known(path):
    part = PartialFile(go_on, path)
    put(part, 20_000, 30_000)
    put(part, 0, 10_000)
    assert (part.have, part.prefix) == (20_000, 10_000)
    assert part.missing(50_000) == [(10_000, 20_000), (30_000, 50_000)]
    put(part, 10_000, 20_000)
    assert (part.prefix, part.missing(30_000)) == (30_000, [])
    assert part.sha256(go_on) == sha256(DATA[:30_000])
    closed(part)


@pytest.mark.parametrize("seed", range(20))
def test_pieces_of_any_size_in_any_order_with_restarts_make_the_file(path, seed):
    chance = random.Random(seed)
    edges = sorted({0, len(DATA), *(chance.randrange(len(DATA)) for _ in range(12))})
    pieces = list(itertools.pairwise(edges))
    chance.shuffle(pieces)
    part = PartialFile(go_on, path)
    for start, end in pieces:
        put(part, start, end)
        part.catch_up()
        if chance.random() < 0.3:
            before = part.missing(len(DATA))
            closed(part)
            part = PartialFile(go_on, path)
            assert part.missing(len(DATA)) == before
    assert part.missing(len(DATA)) == []
    assert part.sha256(go_on) == sha256(DATA)
    closed(part)
    assert arrived(path) == len(DATA)


def test_a_piece_the_disk_lost_is_missing_and_no_other(path):
    part = PartialFile(go_on, path)
    put(part, 0, 10_000)
    put(part, 10_000, 20_000)
    put(part, 20_000, 30_000)
    with path.open("r+b") as file:
        file.seek(15_000)
        file.write(b"\0\0\0")
    assert part.recheck(go_on) == 10_000
    assert part.missing(30_000) == [(10_000, 20_000)]
    put(part, 10_000, 20_000)
    assert part.sha256(go_on) == sha256(DATA[:30_000])
    closed(part)
    assert PartialFile(go_on, path).missing(30_000) == []


def test_a_list_that_was_cut_short_counts_what_is_whole_of_it(path):
    part = PartialFile(go_on, path)
    put(part, 0, 10_000)
    put(part, 10_000, 20_000)
    closed(part)
    ranges = path.with_suffix(".ranges")
    os.truncate(ranges, ranges.stat().st_size - 5)
    again = PartialFile(go_on, path)
    assert again.missing(20_000) == [(10_000, 20_000)]
    put(again, 10_000, 20_000)
    closed(again)
    assert PartialFile(go_on, path).missing(20_000) == []


def test_bytes_without_a_list_are_those_of_an_earlier_version(path):
    path.write_bytes(DATA)
    part = closed(PartialFile(go_on, path))
    assert (part.have, arrived(path)) == (len(DATA), len(DATA))


def test_reading_what_is_there_can_be_ended(path):
    part = PartialFile(go_on, path)
    put(part, 0, 10_000)
    with pytest.raises(Interrupted):
        part.sha256(stop)
    closed(part)
    before = psutil.Process().num_fds()
    with pytest.raises(Interrupted):
        PartialFile(stop, path)
    assert psutil.Process().num_fds() == before
    assert PartialFile(go_on, path).have == 10_000


def test_nothing_is_left_of_what_never_came(path):
    closed(PartialFile(go_on, path))
    assert list(path.parent.iterdir()) == []
