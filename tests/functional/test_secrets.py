"""Every way to a secret, and every way it can be wrong; what is found stays where it is."""

import json
import os
import pickle
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lmctl.adapters.secrets import MAX_BYTES, Secret, SecretResolver, fingerprint_key
from lmctl.base.errors import LmctlError, NotFound, Refused, Unreachable
from lmctl.cli.main import app
from lmctl.manifests.secret_ref import SecretRef

CANARY = "c4naryS3cretXq9"
KEY = b"k" * 32


def private(path: Path, content: bytes = CANARY.encode() + b"\n", mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def find(*, seconds: float = 10.0, environment: dict[str, str] | None = None, **where) -> Secret:
    environment = {"PATH": os.environ["PATH"], **(environment or {})}
    return SecretResolver(KEY, environment).find(SecretRef.model_validate(where), seconds=seconds)


def prints(text: str) -> list[str]:
    return [sys.executable, "-c", text]


def test_each_of_the_four_ways_leads_to_the_secret(tmp_path: Path):
    (tmp_path / "credentials").mkdir()
    private(tmp_path / "credentials" / "ci", mode=0o400)
    folder = {"CREDENTIALS_DIRECTORY": str(tmp_path / "credentials")}
    found = [
        find(env="CI", environment={"CI": CANARY}),
        find(file=private(tmp_path / "ci")),
        find(file=private(tmp_path / "of-a-group", mode=0o640)),
        find(command=prints(f"print('{CANARY}')")),
        find(credential="ci", environment=folder),
    ]

    assert [each.reveal() for each in found] == [CANARY] * 5
    assert len({each.fingerprint for each in found}) == 1


def test_a_secret_prints_as_where_it_is_and_is_written_nowhere():
    secret = find(env="CI", environment={"CI": CANARY})

    assert repr(secret) == str(secret) == f"{secret}" == "Secret(env CI)"
    assert CANARY not in secret.fingerprint
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)


def test_a_fingerprint_changes_with_the_secret_and_with_the_box():
    one, other = (find(env="A", environment={"A": each}) for each in (CANARY, CANARY + "x"))

    assert one.fingerprint != other.fingerprint
    assert Secret(CANARY, where="x", key=b"o" * 32).fingerprint != one.fingerprint


@pytest.mark.parametrize(
    ("where", "error", "words"),
    [
        ({"env": "GONE"}, NotFound, "environment variable `GONE` is not set"),
        ({"env": "EMPTY"}, Refused, "env EMPTY: it is empty"),
        ({"file": "/nowhere/ci"}, NotFound, "no file `/nowhere/ci`"),
        ({"credential": "ci"}, NotFound, "no systemd credential `ci`: none were given to lmctl"),
        ({"command": ["/nowhere/pass"]}, NotFound, "command `/nowhere/pass`: No such file or dir"),
        ({"command": prints(f"print('{CANARY}'); exit(3)")}, Unreachable, "ended with exit code 3"),
        ({"command": prints("pass")}, Refused, "it is empty"),
        ({"command": prints("import sys; sys.stdout.buffer.write(b'\\xff\\xfe')")}, Refused,
         "not UTF-8 text"),
        ({"command": prints("print('a\\0b')")}, Refused, "not text, it has a NUL in it"),
        ({"command": prints("while True: print('x' * 1000)")}, Refused,
         f"longer than {MAX_BYTES} bytes"),
    ],
)  # fmt: skip
def test_a_secret_that_is_not_there_or_no_secret_is_told_without_it(where, error, words):
    with pytest.raises(error) as told:
        find(environment={"EMPTY": ""}, **where)

    assert words in str(told.value)
    assert CANARY not in f"{told.value} {told.value.hint}"


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o660, 0o602])
def test_a_file_that_others_can_read_or_change_is_refused(mode: int, tmp_path: Path):
    with pytest.raises(Refused, match=rf"has mode {mode:04o}") as told:
        find(file=private(tmp_path / "ci", mode=mode))

    assert told.value.hint == f"chmod 600 {tmp_path / 'ci'}"


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe", 0o600)

    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(Refused, match="is not a regular file"):
            find(file=str(path))


def test_a_command_that_hangs_is_ended_with_all_it_started(tmp_path: Path):
    """The child that keeps the pipe open would otherwise keep us waiting."""
    child = "import os, time; os.fork(); time.sleep(600)"

    with pytest.raises(Unreachable, match=r"did not end in 0\.5 s"):
        find(command=prints(child), seconds=0.5)


def test_the_key_is_made_once_for_the_owner_only(tmp_path: Path):
    home = tmp_path / "home"
    key = fingerprint_key(home)

    assert fingerprint_key(home) == key
    assert len(key) == 32
    assert (home / "fingerprint.key").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in home.iterdir()] == ["fingerprint.key"]
    (home / "fingerprint.key").write_bytes(b"short")
    with pytest.raises(Refused, match="is damaged"):
        fingerprint_key(home)
    with pytest.raises(LmctlError):
        fingerprint_key(Path("/proc/nowhere"))


def test_the_command_tells_what_is_there_and_never_a_secret(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CI_TOKEN", CANARY)
    fleet = tmp_path / "fleet"
    fleet.mkdir()
    (fleet / "server.yaml").write_text(
        "auth: {tokens: [{name: ci, secretRef: {env: CI_TOKEN}}]}\nsecrets: {hub: {file: hub}}\n"
    )
    ran = CliRunner().invoke(app, ["secrets", str(fleet)])

    fingerprint = SecretResolver(fingerprint_key(tmp_path / "home")).find(SecretRef(env="CI_TOKEN"))
    assert ran.exit_code == 1
    assert CANARY not in ran.output
    assert ran.stdout.splitlines()[1].split() == [
        "auth.tokens.ci", "env", "CI_TOKEN", fingerprint.fingerprint,
    ]  # fmt: skip
    assert f"no file `{fleet / 'hub'}`" in ran.stdout

    private(fleet / "hub")
    ran = CliRunner().invoke(app, ["secrets", str(fleet), "-o", "json"])
    assert ran.exit_code == 0
    assert CANARY not in ran.output
    assert [each["found"] for each in json.loads(ran.stdout)["secrets"]] == [True, True]
