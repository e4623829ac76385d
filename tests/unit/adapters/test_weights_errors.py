"""Which kind a failure is when several sources failed in different ways."""

import errno

import pytest

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.fetch_errors import (
    NoSpace,
    WeightsUnavailable,
    failure_kind,
    retry_after,
)
from lmctl.base.addresses import bare_url
from lmctl.base.errors import IntegrityError, NotFound, NotReady, Refused, Unreachable
from lmctl.base.spec import FailureKind

FULL = NoSpace("m.gguf", needed=10, free=3, folder="/disk")


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([NotFound("x"), Unreachable("y")], FailureKind.TRANSIENT),
        ([NotFound("x"), NotReady("y")], FailureKind.TRANSIENT),
        ([NotFound("x"), IntegrityError("y")], FailureKind.INTEGRITY),
        ([IntegrityError("x"), FULL], FailureKind.INTEGRITY),
        ([NotFound("x"), FULL], FailureKind.CAPACITY),
        ([NotFound("x"), Refused("y")], FailureKind.CONFIG),
    ],
)
def test_the_most_hopeful_kind_decides(errors, kind):
    assert failure_kind(WeightsUnavailable("m", ["…"] * len(errors), errors)) is kind


def test_the_shortest_wait_asked_for_is_told():
    waits = [NotReady("x", retry_after=9), NotReady("y", retry_after=4), NotFound("z")]
    assert retry_after(WeightsUnavailable("m", [], waits)) == 4
    assert retry_after(WeightsUnavailable("m", [], [NotFound("z")])) is None


def test_a_full_disk_is_told_in_bytes():
    assert str(FULL) == "no room for m.gguf: 10 bytes (10 B) needed, 3 bytes (3 B) free in /disk"
    assert FULL.hint == "free 7 B there, or move the lmctl home to a larger disk"


@pytest.mark.parametrize(
    ("number", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EACCES, False)]
)
def test_a_write_refused_for_room_becomes_no_space_and_others_do_not(tmp_path, number, full):
    blobs = Blobs(tmp_path, free=lambda _folder: 5)

    found = blobs.no_space(OSError(number, "x"), needed=70, what="m.gguf")

    assert (found is not None) is full
    if found:
        assert (found.needed, found.free) == (70, 5)


@pytest.mark.parametrize(
    ("url", "bare"),
    [
        ("https://h/p/f.gguf", "https://h/p/f.gguf"),
        ("https://u:p@h:8/f?sig=s#x", "https://h:8/f"),
        ("https://u:p%2f@h", "https://h"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url, bare):
    assert bare_url(url) == bare
