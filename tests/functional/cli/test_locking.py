"""`lmctl lock` and `--frozen`, as they are typed, against a hub and files of this machine."""

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from typer.testing import CliRunner

from lmctl.cli.main import app
from tests.support.file_server import Fault
from tests.support.localhub import LocalHub
from tests.support.weights_home import content, sha256

MODEL = content(20_000)
NEWER = content(30_000, seed=2)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def hub(monkeypatch) -> Iterator[LocalHub]:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", "/nowhere")
    with LocalHub.running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def repo(hub):
    repo = hub.repo("acme/tiny")
    repo.commit({"tiny-Q4_K_M.gguf": MODEL})
    return repo


@pytest.fixture
def fleet(tmp_path) -> Path:
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    return fleet


def declare(fleet: Path, name: str, source: str) -> None:
    path = fleet / f"{name}.model.yaml"
    path.write_text(
        f"model: acme/{name}\nbase:\n  - key: acme/{name}-gguf\n    sources:\n      - {source}\n"
    )


def local(fleet: Path, name: str, data: bytes) -> None:
    (fleet / f"{name}.gguf").write_bytes(data)
    declare(fleet, name, f"{{type: file, path: {name}.gguf}}")


def run(*words: object):
    return CliRunner().invoke(app, [str(each) for each in words])


def locked(fleet: Path):
    return json.loads((fleet / "lmctl.lock").read_text())["models"]


HUB = "{type: huggingface, user: acme, repo: tiny}"


def test_locking_says_what_everything_came_to_and_doing_it_again_nothing(fleet, repo):
    declare(fleet, "tiny", HUB)
    local(fleet, "own", MODEL)
    commit = repo.refs["main"]

    first = run("lock", fleet)
    text = (fleet / "lmctl.lock").read_text()
    second = run("lock", fleet)

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert first.stdout == dedent(f"""\
          + acme/own   file own.gguf: 1 file, 19.5 KiB
          + acme/tiny  huggingface acme/tiny: 1 file, 19.5 KiB, commit {commit[:12]}
        {fleet}/lmctl.lock: 2 models
        """)
    assert second.stdout == f"{fleet}/lmctl.lock: 2 models, up to date\n"
    assert (fleet / "lmctl.lock").read_text() == text
    assert (fleet / "lmctl.lock").stat().st_mode & 0o777 == 0o644
    assert [each["model"] for each in locked(fleet)] == ["acme/own", "acme/tiny"]


def test_what_is_locked_stays_and_only_what_is_new_is_resolved(fleet, repo, hub):
    declare(fleet, "tiny", HUB)
    run("lock", fleet)
    before = locked(fleet)[0]
    repo.commit({"tiny-Q4_K_M.gguf": NEWER})
    local(fleet, "own", MODEL)
    hub.asked.clear()

    ran = run("lock", fleet)

    assert ran.stdout.splitlines()[0] == "  + acme/own  file own.gguf: 1 file, 19.5 KiB"
    assert locked(fleet)[1] == before
    assert hub.asked == []


def test_an_update_follows_the_branch_of_one_model_or_of_all(fleet, repo):
    declare(fleet, "tiny", HUB)
    declare(fleet, "twin", HUB)
    run("lock", fleet)
    repo.commit({"tiny-Q4_K_M.gguf": NEWER})

    one = run("lock", fleet, "--update-model", "acme/tiny")
    shas = {each["model"]: each["sources"][0]["files"][0]["sha256"] for each in locked(fleet)}
    every = run("lock", fleet, "--update", "-o", "json")

    change = f"sha256 {sha256(MODEL)[:12]} -> {sha256(NEWER)[:12]}"
    assert one.stdout.splitlines()[0] == f"  ~ acme/tiny  huggingface acme/tiny: {change}"
    assert shas == {"acme/tiny": sha256(NEWER), "acme/twin": sha256(MODEL)}
    told = {each["model"]: each["state"] for each in json.loads(every.stdout)["sources"]}
    assert told == {"acme/tiny": "kept", "acme/twin": "changed"}


def test_a_new_commit_with_the_same_file_is_told_as_that(fleet, repo):
    declare(fleet, "tiny", HUB)
    run("lock", fleet)
    repo.commit({"tiny-Q4_K_M.gguf": MODEL, "README.md": b"hello"})

    assert "same tiny-Q4_K_M.gguf" in run("lock", fleet, "--update").stdout


def test_an_unknown_model_cannot_be_updated(fleet, repo):
    declare(fleet, "tiny", HUB)

    ran = run("lock", fleet, "--update-model", "acme/tinny")

    assert str(ran.exception) == "no model `acme/tinny` to lock"
    assert ran.exception.hint == "did you mean `acme/tiny`?"


def test_a_model_that_is_gone_is_dropped(fleet, repo):
    declare(fleet, "tiny", HUB)
    local(fleet, "own", MODEL)
    run("lock", fleet)
    (fleet / "own.model.yaml").unlink()

    assert run("lock", fleet, "--check").exit_code == 1
    ran = run("lock", fleet)

    assert ran.stdout.splitlines()[0] == "  - acme/own  no longer declared"
    assert [each["model"] for each in locked(fleet)] == ["acme/tiny"]


def test_a_source_that_does_not_answer_does_not_keep_the_others_from_being_locked(fleet, hub):
    declare(fleet, "tiny", HUB)
    local(fleet, "own", MODEL)

    ran = run("lock", fleet)

    assert ran.exit_code == 1
    assert "  ! acme/tiny  huggingface acme/tiny: " in ran.stdout
    assert "shows no repository acme/tiny" in ran.stdout
    assert [each["model"] for each in locked(fleet)] == ["acme/own"]


def test_a_failed_update_keeps_what_was_locked(fleet, repo, hub):
    declare(fleet, "tiny", HUB)
    run("lock", fleet)
    before = locked(fleet)
    hub.metadata_fault = (503, b"")

    ran = run("lock", fleet, "--update")

    assert ran.exit_code == 1
    assert "what was locked stays" in ran.stdout
    assert locked(fleet) == before


def test_small_files_of_a_repository_are_fetched_and_a_broken_one_is_not_locked(fleet, repo, hub):
    repo.commit({"tiny.gguf": b"small"})
    declare(fleet, "tiny", HUB)
    hub.faults.append(Fault(corrupt=True, times=-1))
    assert "git id is" in run("lock", fleet).stdout

    hub.faults.clear()
    assert run("lock", fleet).exit_code == 0
    assert locked(fleet)[0]["sources"][0]["files"][0]["sha256"] == sha256(b"small")


def test_checking_resolves_and_writes_nothing(fleet, repo, hub):
    declare(fleet, "tiny", HUB)
    hub.asked.clear()

    ran = run("lock", fleet, "--check")

    assert ran.exit_code == 1
    assert "acme/tiny  huggingface acme/tiny: not locked, or changed since" in ran.stdout
    assert hub.asked == []
    assert not (fleet / "lmctl.lock").exists()
    run("lock", fleet)
    assert run("lock", fleet, "--check").exit_code == 0


def test_another_layout_of_the_same_lock_is_noticed_by_a_check_and_mended(fleet):
    local(fleet, "own", MODEL)
    run("lock", fleet)
    path = fleet / "lmctl.lock"
    text = path.read_text()
    path.write_text(json.dumps(json.loads(text), indent=1))

    assert run("lock", fleet, "--check").exit_code == 1
    run("lock", fleet)
    assert path.read_text() == text


def test_sources_of_different_bytes_are_noted(fleet):
    local(fleet, "own", MODEL)
    (fleet / "other.gguf").write_bytes(NEWER)
    with (fleet / "own.model.yaml").open("a") as model:
        model.write("      - {type: file, path: other.gguf}\n")

    ran = run("lock", fleet)

    assert "the sources of acme/own have different bytes" in ran.stderr
    assert "different bytes" not in run("lock", fleet, "-q").stderr


def test_every_folder_has_a_lock_of_its_own_models(fleet):
    inner = fleet / "inner"
    inner.mkdir()
    local(fleet, "own", MODEL)
    local(inner, "deep", MODEL)

    assert run("lock", fleet, inner).exit_code == 0
    assert [each["model"] for each in locked(fleet)] == ["acme/own"]
    assert [each["model"] for each in locked(inner)] == ["acme/deep"]
    assert run("lock", fleet).stdout == f"{fleet}/lmctl.lock: 1 model, up to date\n"


def test_nothing_to_lock_writes_no_lock(fleet):
    (fleet / "server.yaml").write_text("listen: {port: 0}\n")

    assert run("lock", fleet).exit_code == 0
    assert not (fleet / "lmctl.lock").exists()


def test_broken_manifests_and_a_broken_lock_are_told(fleet):
    local(fleet, "own", MODEL)
    (fleet / "lmctl.lock").write_text("{}")
    ran = run("lock", fleet)
    assert ran.exit_code == 2
    assert "`lockVersion` is required and missing" in ran.stderr

    assert run("lock", fleet, "--update").exit_code == 0
    (fleet / "own.model.yaml").write_text("model: acme/own\n")
    ran = run("lock", fleet, "--update")
    assert ran.exit_code == 2
    assert "`base` is required and missing" in ran.stderr


def test_a_lock_that_cannot_be_written_is_said(fleet):
    local(fleet, "own", MODEL)
    (fleet / "lmctl.lock").mkdir()

    assert str(run("lock", fleet).exception) == f"cannot write {fleet}/lmctl.lock: Is a directory"


class TestFrozen:
    @pytest.mark.usefixtures("repo")
    def test_every_model_that_is_not_locked_is_named(self, fleet):
        declare(fleet, "tiny", HUB)
        local(fleet, "own", MODEL)
        run("lock", fleet)
        declare(fleet, "twin", HUB)
        declare(fleet, "tiny", HUB.replace("}", ", revision: main2}"))

        for command in ("diff", "plan", "apply"):
            ran = run(command, "--frozen", fleet)
            assert ran.exit_code == 3, ran.output
            assert (
                f"{fleet}/tiny.model.yaml:3:3: error: model `acme/tiny` is not locked" in ran.stderr
            )
            assert "`acme/twin` is not locked" in ran.stderr
            assert "`acme/own`" not in ran.stderr

    @pytest.mark.usefixtures("repo")
    def test_a_plan_of_locked_weights_asks_nobody(self, fleet, hub):
        declare(fleet, "tiny", HUB)
        run("lock", fleet)
        hub.asked.clear()

        ran = run("diff", "--frozen", fleet, "-o", "json")

        assert ran.exit_code == 1
        assert hub.asked == []
        [fetch] = [each for each in json.loads(ran.stdout)["steps"] if "fetch" in each["key"]]
        assert fetch["download"] == len(MODEL)

    def test_a_program_is_told_which_models(self, fleet):
        local(fleet, "own", MODEL)

        ran = run("diff", "--frozen", fleet, "-o", "json")

        assert json.loads(ran.stdout) == {"frozen": False, "notLocked": ["acme/own"]}

    def test_a_lock_that_lags_is_a_warning_otherwise(self, fleet):
        local(fleet, "own", MODEL)
        run("lock", fleet)
        local(fleet, "two", NEWER)

        ran = run("diff", fleet)

        assert "warning: lock lags: model `acme/two` is not locked" in ran.stderr
        assert ran.exit_code == 1
