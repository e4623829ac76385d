"""`lmctl verify` and `lmctl gc`, as they are typed, on a home without a daemon."""

import asyncio
import json
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest
from typer.testing import CliRunner

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home
from lmctl.adapters.revisions import Revision, Revisions
from lmctl.adapters.runner_folders import folder_of
from lmctl.adapters.weights.store import WeightsStore
from lmctl.base.spec import LoadSettings, RunnerSpec, WeightFile
from lmctl.cli.main import app
from lmctl.planning.weights_values import FileSource, Weights
from lmctl.reconciler.reading import LastGood
from tests.functional.weights.test_store import flip_a_byte
from tests.support.weights_home import blobs, content, quarantined, sha256

ONE, OTHER = content(30_000), content(40_000, seed=2)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@pytest.fixture
def fleet(tmp_path, home) -> Path:
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    (fleet / "server.yaml").write_text("listen: {port: 0}\n")
    Followed(home.root / "roots.json").follow([str(fleet)])
    return fleet


def run(*words: object):
    return CliRunner().invoke(app, [str(each) for each in words])


def model(name: str) -> str:
    return (
        f"model: acme/{name}\nbase:\n  - key: k\n    sources:\n"
        f"      - {{type: file, path: {name}.gguf}}\n"
    )


def store(fleet: Path, home: Home, name: str, data: bytes) -> Weights:
    path = fleet / f"{name}.gguf"
    path.write_bytes(data)
    weights = Weights(f"acme/{name}", (FileSource(str(path)),))
    asyncio.run(WeightsStore(home.root).fetch(weights))
    return weights


def left(home: Home) -> set[str]:
    return blobs(home.root)


class TestVerify:
    def test_everything_is_hashed_and_found_whole(self, fleet, home):
        store(fleet, home, "one", ONE)
        store(fleet, home, "twin", ONE)

        ran = run("verify")

        assert (ran.exit_code, ran.stdout) == (
            0, "whole    acme/one: 29.3 KiB\nwhole    acme/twin: 29.3 KiB\n",
        )  # fmt: skip

    def test_a_flip_without_a_trace_is_found(self, fleet, home):
        weights = store(fleet, home, "one", ONE)
        store(fleet, home, "other", OTHER)
        flip_a_byte(WeightsStore(home.root).files_of(weights.key)[0][1], keep_time=True)

        ran = run("verify")

        assert ran.exit_code == 1
        assert ran.stdout == dedent("""\
            damaged  acme/one: one.gguf; a daemon fetches it again
            whole    acme/other: 39.1 KiB
            """)
        assert len(quarantined(home.root)) == 1
        assert json.loads(run("verify", "acme/other", "-o", "json").stdout) == {
            "models": [{"model": "acme/other", "size": 40_000, "damaged": []}]
        }

    def test_a_model_that_is_not_stored_is_told(self, fleet, home):
        store(fleet, home, "one", ONE)

        ran = run("verify", "acme/on")

        assert str(ran.exception) == "no weights of `acme/on` are stored"
        assert ran.exception.hint == "did you mean `acme/one`?"

    @pytest.mark.usefixtures("home")
    def test_nothing_stored_is_said(self):
        assert run("verify").stdout == "nothing is stored\n"


class TestCollect:
    def test_what_is_declared_stays_and_the_rest_waits_for_its_time(self, fleet, home):
        store(fleet, home, "one", ONE)
        store(fleet, home, "other", OTHER)
        (fleet / "one.model.yaml").write_text(model("one"))

        early = run("gc")
        dry = run("gc", "--grace", "0s", "--dry-run", "-o", "json")
        assert left(home) == {sha256(ONE), sha256(OTHER)}
        now = run("gc", "--grace", "0s")

        assert early.stdout == ("freed 0 B\n39.1 KiB more is unused for less than 7d and stays\n")
        told = json.loads(dry.stdout)
        assert (told["dryRun"], told["freed"], told["kept"]) == (True, 40_000, [])
        assert [each["kind"] for each in told["removed"]] == ["blob", "record"]
        assert now.stdout == dedent("""\
              - other.gguf of acme/other (39.1 KiB), unused for 0s
              - record of acme/other, unused for 0s
            freed 39.1 KiB
            """)
        assert left(home) == {sha256(ONE)}

    def test_kept_generations_the_last_good_files_locks_and_runners_count(self, fleet, home):
        datas = {name: content(1000, seed=ord(name)) for name in "abcde"}
        weights = {name: store(fleet, home, name, data) for name, data in datas.items()}
        files = {str(fleet / "m.model.yaml"): model("a").encode()}
        Revisions(home.revisions).keep(Revision("1" * 64, 1, 1.0, (str(fleet),), files))
        LastGood(home.last_good).keep({str(fleet / "m.model.yaml"): model("b").encode()})
        (fleet / "c.model.yaml").write_text(model("c"))
        run("lock", fleet)
        (fleet / "c.model.yaml").unlink()
        [(file, path)] = WeightsStore(home.root).files_of(weights["d"].key)
        folder = folder_of(home.runners, "chat", "f" * 64)
        folder.create()
        kept = WeightFile(file.name, str(path), file.sha256, file.size, file.mtime_ns, file.inode)
        folder.write(
            RunnerSpec("chat", "u1", "echo", "acme/d", "f" * 64, (kept,), LoadSettings(), "/s")
        )

        assert run("gc", "--grace", "0s").exit_code == 0
        assert left(home) == {sha256(datas[name]) for name in "abcd"}

    def test_broken_manifests_take_nothing_away(self, fleet, home):
        store(fleet, home, "one", ONE)
        (fleet / "one.model.yaml").write_text("model: [")

        ran = run("gc", "--grace", "0s")

        assert "nothing good was ever read" in str(ran.exception)
        assert left(home) == {sha256(ONE)}

    def test_a_home_that_follows_nothing_needs_nothing(self, fleet, home):
        store(fleet, home, "one", ONE)
        (home.root / "roots.json").unlink()

        run("gc", "--grace", "0s")

        assert left(home) == set()

    def test_a_damaged_database_keeps_nobody_from_it(self, fleet, home):
        home.database.write_bytes(b"garbage")
        (home.root / "last-good.msgpack").write_bytes(msgspec.msgpack.encode({}))
        (fleet / "one.model.yaml").write_text(model("one"))
        store(fleet, home, "one", ONE)

        assert run("gc", "--grace", "0s").stdout == "freed 0 B\n"
