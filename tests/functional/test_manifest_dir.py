"""Real folders, links, pipes and rights: what a scan reads and what it tells."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lmctl.adapters.manifest_dir import scan
from lmctl.base.errors import NotFound, Refused
from lmctl.manifests.bundle import read

TEXT = "apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {name: a}\nspec: {model: o/n}\n"


def write(path: Path, text: str = TEXT) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def problems(root: Path) -> list[str]:
    return [
        f"{Path(each.place.file).relative_to(root)}: {each.severity}: {each.message}"
        for each in scan([root]).diagnostics
    ]


def test_manifests_are_read_by_path_and_everything_else_is_passed_over(tmp_path: Path):
    write(tmp_path / "a.yaml")
    write(tmp_path / "deep" / "er" / "b.yml", "b")
    write(tmp_path / "mcp.json", "{}")
    write(tmp_path / "x.preset.json", "{}")
    write(tmp_path / "lmctl.lock", "{}")
    for other in ("README.md", "other.json", "other.lock", ".hidden.yaml", ".git/c.yaml"):
        write(tmp_path / other)
    found = scan([tmp_path])

    assert found.diagnostics == ()
    assert {Path(each).relative_to(tmp_path).as_posix() for each in found.files} == {
        "a.yaml",
        "deep/er/b.yml",
        "lmctl.lock",
        "mcp.json",
        "x.preset.json",
    }
    assert found.files[str(tmp_path / "a.yaml")] == TEXT.encode()


def test_paths_start_with_the_root_as_it_was_written(tmp_path: Path, monkeypatch):
    write(tmp_path / "fleet" / "a.yaml")
    write(tmp_path / ".config" / "a.yaml")
    monkeypatch.chdir(tmp_path)

    assert list(scan([Path("fleet")]).files) == ["fleet/a.yaml"]
    assert list(scan([Path("./fleet/../fleet")]).files) == ["fleet/../fleet/a.yaml"]
    inside = scan([Path(".config")]).files
    assert list(inside) == [str(tmp_path / ".config" / "a.yaml")]
    assert not read(inside).bundle.empty


def test_two_roots_are_read_together_and_none_twice(tmp_path: Path):
    write(tmp_path / "one" / "a.yaml")
    write(tmp_path / "two" / "b.yaml")
    (tmp_path / "again").symlink_to(tmp_path / "one")
    one, two = tmp_path / "one", tmp_path / "two"

    assert list(scan([one, two]).files) == [str(one / "a.yaml"), str(two / "b.yaml")]
    assert list(scan([one, tmp_path / "again"]).files) == [str(one / "a.yaml")]
    assert len(scan([one, tmp_path]).files) == 3  # `one` lies in the other root, which has a link


def test_a_root_that_is_not_there_is_told_with_a_way_out(tmp_path: Path):
    with pytest.raises(NotFound, match="does not exist") as caught:
        scan([tmp_path / "nowhere"])
    assert caught.value.hint == "name the folder that holds your manifests, or create it"
    with pytest.raises(Refused, match="is not a folder"):
        scan([write(tmp_path / "a.yaml")])


def test_links_are_followed_and_loops_are_told(tmp_path: Path):
    write(tmp_path / "elsewhere" / "a.yaml")
    root = tmp_path / "fleet"
    (root / "models").mkdir(parents=True)
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "models" / "up").symlink_to(root)
    (root / "self.yaml").symlink_to(root / "self.yaml")

    assert list(scan([root]).files) == [str(root / "linked" / "a.yaml")]
    assert problems(root) == [
        "models/up: warning: this symbolic link leads back to a folder it lies in; not followed",
        "self.yaml: error: this symbolic link leads nowhere: Too many levels of symbolic links",
    ]


def test_a_link_to_nothing_is_an_error_where_a_manifest_would_be(tmp_path: Path):
    (tmp_path / "a.yaml").symlink_to(tmp_path / "gone.yaml")
    (tmp_path / "notes").symlink_to(tmp_path / "gone")

    assert problems(tmp_path) == [
        "a.yaml: error: this symbolic link leads nowhere: No such file or directory",
        "notes: warning: this symbolic link leads nowhere: No such file or directory",
    ]


def test_what_is_no_file_is_told_and_never_waited_for(tmp_path: Path, monkeypatch):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "device.yaml").symlink_to("/dev/zero")
    (tmp_path / "folder.yaml").mkdir()
    write(tmp_path / "folder.yaml" / "a.yaml")
    monkeypatch.chdir(tmp_path)  # a socket's path has to be short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.yaml")

        assert problems(tmp_path) == [
            "device.yaml: error: this is a device, expected a file",
            "pipe.yaml: error: this is a named pipe, expected a file",
            "socket.yaml: error: this is a socket, expected a file",
        ]
        assert list(scan([tmp_path]).files) == [str(tmp_path / "folder.yaml" / "a.yaml")]


def test_a_file_too_large_is_told_and_not_read(tmp_path: Path):
    with (tmp_path / "weights.yaml").open("wb") as file:
        file.truncate(5 << 30)

    assert problems(tmp_path) == [
        "weights.yaml: error: the file is too large for a manifest: 5.0 GiB"
    ]
    assert scan([tmp_path]).files == {}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Give up root's right to read everything, if we are root."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def test_what_may_not_be_read_is_told():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write(root / "a.yaml").chmod(0)
        (root / "closed").mkdir(mode=0)
        root.chmod(0o755)
        with as_nobody():
            found = problems(root)

    assert found == [
        "a.yaml: error: cannot read: Permission denied",
        "closed: error: cannot read the folder: Permission denied",
    ]


def test_a_name_that_is_not_utf_8_is_told_in_printable_letters(tmp_path: Path):
    (Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.yaml"))).write_text(TEXT)

    assert problems(tmp_path) == ["\\udcff.yaml: error: the name of the file is not UTF-8"]


def test_folders_without_end_are_told(tmp_path: Path):
    deep = tmp_path
    for _ in range(70):
        deep /= "d"
    write(deep / "a.yaml")

    assert [each.rpartition(": ")[2] for each in problems(tmp_path)] == [
        "folders nested deeper than 64"
    ]


RESTLESS = """
import itertools, pathlib, sys
for number in itertools.count():
    for name in "az":
        (pathlib.Path(sys.argv[1]) / f"{name}.yaml").write_text("#" * (number % 1000))
"""


def test_a_folder_that_never_rests_is_told(tmp_path: Path):
    """Not a half-written reading, and not for ever."""
    for number in range(300):
        write(tmp_path / f"m{number}.yaml")
    writer = subprocess.Popen([sys.executable, "-c", RESTLESS, str(tmp_path)])
    try:
        deadline = time.monotonic() + 30
        while not (found := scan([tmp_path])).diagnostics and time.monotonic() < deadline:
            pass
    finally:
        writer.kill()
        writer.wait()

    assert found.files == {}
    assert [each.message for each in found.diagnostics] == [
        "the folder kept changing during 10 readings"
    ]
    assert scan([tmp_path]).diagnostics == ()
