"""Tokens that manifests refer to: found anew, told as hashes, lost when they are gone."""

import hashlib
import sys

import msgspec
import pytest

from lmctl.adapters.secrets import SecretResolver
from lmctl.daemon.tokens import TokenKeeper
from lmctl.manifests.secret_ref import SecretRef
from lmctl.planning.surface import FoundTokens

SECRET = "sk-lm-Ab3dEf9h:0123456789abcdefghij"
KEY = b"k" * 32


class Kept:
    """A keeper over a folder, with a clock that is set by hand and the events it told."""

    def __init__(self, folder, environment=None):
        self.path = folder / "tokens.json"
        self.environment = environment or {}
        self.now = 0.0
        self.told = []
        self.again()

    def again(self):
        """Be a daemon that has just started."""
        self.keeper = TokenKeeper(
            self.path,
            SecretResolver(KEY, self.environment),
            clock=lambda: self.now,
            period=60.0,
            tell=lambda *event: self.told.append(event),
        )

    async def renew(self, **wanted):
        references = {name: SecretRef.model_validate(each) for name, each in wanted.items()}
        await self.keeper.renew(references)
        if not self.path.exists():
            return {}
        content = self.path.read_bytes()
        assert SECRET.encode() not in content
        return {k: v.hash for k, v in msgspec.json.decode(content, type=FoundTokens).tokens.items()}


@pytest.fixture
def kept(tmp_path):
    return Kept(tmp_path)


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


async def test_a_token_is_told_by_its_hash_for_the_owner_only(kept):
    kept.environment["CI"] = SECRET

    assert await kept.renew(ci={"env": "CI"}) == {"ci": sha256(SECRET)}
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.told == []


async def test_a_file_that_changed_is_another_token_and_one_that_is_gone_is_none(kept, tmp_path):
    file = tmp_path / "token"
    file.touch(mode=0o600)
    found = []
    for secret in (SECRET, SECRET[::-1]):
        file.write_text(secret)
        found.append(await kept.renew(ci={"file": str(file)}))
    file.unlink()
    gone = await kept.renew(ci={"file": str(file)})

    assert found == [{"ci": sha256(SECRET)}, {"ci": sha256(SECRET[::-1])}]
    assert gone == {}
    assert [each[:2] for each in kept.told] == [("server/gateway", "TokenMissing")]
    assert "token ci is not known" in kept.told[0][2]


async def test_what_is_missing_is_told_once_and_again_after_it_was_there(kept):
    for value in (None, None, SECRET, None):
        kept.environment.pop("CI", None)
        kept.environment |= {"CI": value} if value else {}
        await kept.renew(ci={"env": "CI"})
    assert len(kept.told) == 2


async def test_what_could_be_guessed_is_no_token(kept):
    kept.environment["CI"] = "letmein"

    assert await kept.renew(ci={"env": "CI"}) == {}
    assert "shorter than 16 characters" in kept.told[0][2]
    assert "letmein" not in repr(kept.told)


async def test_a_command_runs_once_a_period_and_its_word_stays_while_it_fails(kept, tmp_path):
    ran, secret = tmp_path / "ran", tmp_path / "secret"
    secret.write_text(SECRET)
    code = f"open({str(ran)!r}, 'a').write('x'); print(open({str(secret)!r}).read())"
    command = {"command": [sys.executable, "-c", code]}

    first = [await kept.renew(ci=command) for _ in range(3)]
    once = ran.read_text()
    secret.unlink()
    kept.now = 61.0
    failing = await kept.renew(ci=command)
    kept.again()
    after_a_restart = await kept.renew(ci=command)
    other = await kept.renew(ci={"command": [sys.executable, "-c", "raise SystemExit(1)"]})

    assert first == [{"ci": sha256(SECRET)}] * 3
    assert once == "x"
    assert failing == after_a_restart == {"ci": sha256(SECRET)}
    assert other == {}


async def test_what_is_declared_no_longer_is_known_no_longer(kept):
    kept.environment["CI"] = SECRET
    await kept.renew(ci={"env": "CI"})
    assert await kept.renew() == {}


async def test_a_damaged_file_is_written_anew(kept):
    kept.path.write_text("{")
    kept.again()
    kept.environment["CI"] = SECRET
    assert await kept.renew(ci={"env": "CI"}) == {"ci": sha256(SECRET)}
