"""`import`: files people have come to lie in the models folder, and nothing is ever replaced."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmctl.cli.main import app

NAME = "tiny-Q4_0.gguf"


@pytest.fixture
def home(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path, home: Path) -> Path:
    path = tmp_path / "downloads" / NAME
    path.parent.mkdir()
    path.write_bytes(b"GGUF and more")
    return path


def run(*words: object):
    return CliRunner().invoke(app, ["import", *map(str, words)])


def test_a_file_is_moved_unless_told_otherwise(home, file):
    ran = run(file, "--user-repo", "acme/tiny", "--json")

    target = home / "models" / "acme" / "tiny" / NAME
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout) == {
        "modelKey": "acme/tiny",
        "how": "move",
        "files": [{"from": str(file), "to": str(target)}],
        "done": True,
    }
    assert target.read_bytes() == b"GGUF and more"
    assert not file.exists()


@pytest.mark.parametrize("option", ["-c", "-L", "-l"])
def test_a_file_that_is_to_stay_is_copied_or_linked(home, file, option):
    assert run(file, "--user-repo", "acme/tiny", option).exit_code == 0

    target = home / "models" / "acme" / "tiny" / NAME
    assert target.read_bytes() == file.read_bytes()
    assert target.is_symlink() == (option == "-l")
    assert target.samefile(file) == (option != "-c")


def test_what_is_moved_by_a_link_is_the_files_content_and_the_original_stays(home, file):
    link = file.with_name("link-Q4_0.gguf")
    link.symlink_to(file)

    assert run(link, "--user-repo", "acme/tiny").exit_code == 0

    target = home / "models" / "acme" / "tiny" / link.name
    assert (target.is_symlink(), target.read_bytes()) == (False, b"GGUF and more")
    assert file.exists()
    assert not link.is_symlink()


def test_a_dry_run_says_what_would_be_done_and_does_nothing(home, file):
    ran = run(file, "--dry-run", "--user-repo", "acme/tiny")

    assert (ran.exit_code, f"move  {file} -> {home}/models/acme/tiny/{NAME}" in ran.stdout) == (
        0,
        True,
    )
    assert file.exists()
    assert not (home / "models").exists()


def test_a_set_that_lacks_a_part_is_refused_whole(home, file):
    part = file.with_name("big-00001-of-00002.gguf")
    part.write_bytes(b"GGUF")

    ran = run(part, "--user-repo", "acme/big")

    assert ran.exit_code != 0
    assert "big-00002-of-00002.gguf is not a file" in str(ran.exception)
    assert part.exists()


def test_what_is_there_stays(home, file):
    assert run(file, "-c", "--user-repo", "acme/tiny").exit_code == 0

    again = run(file, "--user-repo", "acme/tiny")

    assert "is there already" in str(again.exception)
    assert file.exists()


def test_the_name_is_asked_for_made_up_or_checked(home, file, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    assert "nobody to ask" in str(run(file).exception)
    assert run(file, "--user-repo", "../up").exit_code == 2
    assert run(file, "-c", "-l").exit_code == 2

    ran = run(file, "-y", "--json")

    assert json.loads(ran.stdout)["modelKey"] == "ada/tiny"


def test_another_ending_is_imported_with_a_warning(home, file):
    odd = file.rename(file.with_suffix(".bin"))
    ran = run(odd, "--user-repo", "acme/odd")
    assert (ran.exit_code, "ends neither in" in ran.stderr) == (0, True)
    assert (home / "models/acme/odd/tiny-Q4_0.bin").exists()
