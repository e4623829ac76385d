"""`preset import` and `preset ls`: files, folders, archives and addresses."""

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from lmctl.adapters.preset_sources import MOST_FETCHED, MOST_UNPACKED
from lmctl.cli.main import app
from lmctl.manifests.bundle import read
from tests.support.file_server import Fault, FileServer

P = "llm.prediction."


@pytest.fixture
def fleet(tmp_path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    folder = tmp_path / "fleet"
    folder.mkdir()
    return folder


@pytest.fixture
def server():
    with FileServer.running() as running:
        yield running


def run(*words):
    return CliRunner().invoke(app, ["preset", *map(str, words)])


def preset(called="@local:terse", temperature=0.2, **more):
    fields = [{"key": P + "temperature", "value": temperature}]
    return json.dumps({"identifier": called, "operation": {"fields": fields}} | more).encode()


def declared(fleet):
    files = {str(each): each.read_bytes() for each in fleet.rglob("*.json")}
    found = read(files)
    assert not found.fatal, found.diagnostics
    return {name: each.settings for name, each in found.bundle.presets.items()}


def given(folder: Path, name, content):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def tar(*files, mode="w:gz"):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=mode) as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("link.preset.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return made.getvalue()


def zipped(*files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return made.getvalue()


def test_a_file_becomes_a_manifest_of_the_fleet_and_says_what_it_left_out(fleet, tmp_path):
    load = {"fields": [{"key": "llm.load.contextLength", "value": 9}]}
    source = given(tmp_path, "x.json", preset("@local:my.own", load=load))
    ran = run("import", source, fleet)
    assert ran.exit_code == 0, ran.output
    file = fleet / "presets" / "x.preset.json"
    assert ran.stdout == f"+ add    @local:my.own: 1 setting, {file}\n"
    assert (
        "left out of @local:my.own: `load`: counts for nothing, since a preset is for what is already loaded"
        in ran.stderr
    )
    assert f"wrote {file}" in ran.stderr
    assert declared(fleet) == {"@local:my.own": {P + "temperature": 0.2}}


def test_a_dry_run_writes_nothing(fleet, tmp_path):
    ran = run("import", given(tmp_path, "x.json", preset()), fleet, "--dry-run", "-o", "json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["presets"] == [
        {
            "identifier": "@local:terse",
            "file": str(fleet / "presets" / "x.preset.json"),
            "settings": [P + "temperature"],
            "leftOut": [],
            "changes": True,
        }
    ]
    assert list(fleet.iterdir()) == []


FILES = (
    ("deep/one.preset.json", preset("one")),
    ("two/preset.json", preset("two")),
    ("README.md", b"# no preset"),
)


@pytest.mark.parametrize(
    "archive", [tar(*FILES), tar(*FILES, mode="w"), zipped(*FILES)], ids=["tar.gz", "tar", "zip"]
)
def test_an_archive_brings_all_that_are_in_it_and_nothing_else(fleet, tmp_path, archive):
    ran = run("import", given(tmp_path, "some.bin", archive), fleet)
    assert ran.exit_code == 0, ran.output
    assert set(declared(fleet)) == {"one", "two"}
    assert sorted(each.name for each in fleet.rglob("*.json")) == [
        "one.preset.json",
        "two.preset.json",
    ]


def test_the_folder_of_lm_studio_is_taken_whole(fleet, tmp_path):
    folder = tmp_path / "config-presets"
    given(folder, "a.preset.json", preset("a"))
    old = {"name": "B", "inference_params": {"temp": 0.5}}
    given(folder, "b.preset.json", json.dumps(old).encode())
    given(folder, "big.gguf", b"x" * 100)
    assert run("import", folder, fleet).exit_code == 0
    assert declared(fleet) == {"a": {P + "temperature": 0.2}, "@local:b": {P + "temperature": 0.5}}


def test_one_that_is_declared_is_replaced_only_when_that_is_said(fleet, tmp_path):
    given(fleet / "presets", "mine.preset.json", preset(temperature=0.1))
    source = given(tmp_path, "x.json", preset())
    refused = run("import", source, fleet)
    assert refused.exit_code != 0
    assert "there is a preset `@local:terse`" in str(refused.exception)
    assert run("import", source, fleet, "--as", "other").exit_code == 0
    replaced = run("import", source, fleet, "--replace")
    assert replaced.stdout.startswith("~ change @local:terse: 1 setting")
    same = {P + "temperature": 0.2}
    assert declared(fleet) == {"@local:terse": same, "other": same}
    again = run("import", source, fleet)
    assert (again.exit_code, again.stdout[:9]) == (0, "= as is  ")


def test_an_address_is_fetched_through_redirects(fleet, server):
    server.files |= {"/p/curt.preset.json": preset("curt"), "/go": b""}
    there = f"{server.url}/p/curt.preset.json"
    server.faults.append(Fault("/go", status=302, headers={"Location": there}))
    ran = run("import", f"{server.url}/go?token=secret", fleet)
    assert ran.exit_code == 0, ran.output
    assert set(declared(fleet)) == {"curt"}
    assert "secret" not in ran.output


PAGES = {
    "/page": lambda: b"<!doctype html><p>hello",
    "/large": lambda: b" " * (MOST_FETCHED + 1),
    "/bomb": lambda: gzip.compress(b"\0" * (MOST_UNPACKED + 1), 1),
    "/zip-bomb": lambda: zipped(("a.preset.json", b"\0" * (MOST_UNPACKED + 1))),
    "/cut.tar.gz": lambda: tar(*FILES)[:60],
    "/empty.zip": lambda: zipped(("README.md", b"hello")),
    "/away": bytes,
    "/round": bytes,
}


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("ftp://example.org/x", "`ftp://example.org/x` is no http(s) address"),
        ("/no/such/file", "there is no /no/such/file"),
        ("{url}/nothing", "there is nothing at {url}/nothing"),
        ("{url}/page", "{url}/page is a web page"),
        ("{url}/large", "{url}/large is larger than 8.0 MiB"),
        ("{url}/bomb", "{url}/bomb is larger than 32.0 MiB"),
        ("{url}/zip-bomb", "{url}/zip-bomb is larger than 32.0 MiB"),
        ("{url}/cut.tar.gz", "{url}/cut.tar.gz is a damaged archive"),
        ("{url}/empty.zip", "no preset is in {url}/empty.zip"),
        ("{url}/away", "{url}/away leads away from http, to file"),
        ("{url}/round", "{url}/round redirects more than 5 times"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:1/x does not answer"),
    ],
)
def test_what_cannot_be_had_is_refused_in_words(fleet, server, source, why):
    path = urlsplit(source.format(url=server.url)).path
    if path in PAGES:
        server.files[path] = PAGES[path]()
    server.faults += [
        Fault("/away", status=302, headers={"Location": "file:///etc/passwd"}),
        Fault("/round", times=9, status=302, headers={"Location": f"{server.url}/round"}),
    ]
    ran = run("import", source.format(url=server.url), fleet)
    assert ran.exit_code != 0
    assert str(ran.exception).startswith(why.format(url=server.url))
    assert list(fleet.iterdir()) == []


def test_those_of_the_fleet_are_listed(fleet):
    given(fleet, "a.preset.json", preset("a", name="First"))
    told = run("ls", fleet)
    assert [line.split()[:3] for line in told.stdout.splitlines()] == [
        ["PRESET", "NAME", "SETTINGS"],
        ["a", "First", "1"],
    ]
    (only,) = json.loads(run("ls", fleet, "-o", "json").stdout)["presets"]
    assert only == {
        "identifier": "a",
        "name": "First",
        "settings": [P + "temperature"],
        "place": f"{fleet}/a.preset.json:1",
    }
