"""Tokens that manifests only refer to: found every turn, told to the gateway as hashes."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.secrets import Secret, SecretResolver
from lmctl.base.errors import LmctlError, Refused, Unreachable
from lmctl.manifests.secret_ref import SecretRef
from lmctl.planning.surface import FoundToken, FoundTokens

SHORTEST = 16  # characters; a hash of less is soon guessed

Tell = Callable[[str, str, str, str], object]


class TokenKeeper:
    """Keeps `tokens.json`. A command is run again after `period` seconds, everything else is looked
    at every time. `tell` writes an event: subject, reason, message, level.
    """

    def __init__(
        self,
        path: Path,
        resolver: SecretResolver,
        *,
        clock: Callable[[], float],
        period: float,
        tell: Tell,
    ) -> None:
        self._path = path
        self._resolver = resolver
        self._clock = clock
        self._period = period
        self._tell = tell
        self._ran: dict[tuple[str, ...], float] = {}
        self._told: dict[str, str] = {}
        self._known = _read(path)

    async def renew(self, wanted: Mapping[str, SecretRef]) -> None:
        """Write down what every token is known by now; one that is not to be found is none.

        What a command says stays while it does not answer: a locked password store revokes nothing.
        """
        found = {name: await self._find(name, each) for name, each in wanted.items()}
        known = FoundTokens({name: each for name, each in found.items() if each is not None})
        self._told = {name: each for name, each in self._told.items() if name in wanted}
        if known == self._known:
            return
        await asyncio.to_thread(write_atomically, self._path, msgspec.json.encode(known))
        self._known = known

    async def _find(self, name: str, reference: SecretRef) -> FoundToken | None:
        before = self._known.tokens.get(name)
        if before is not None and before.reference != _spelled(reference):
            before = None
        if reference.command is not None and not self._due(reference.command):
            return before
        try:
            secret = await asyncio.to_thread(self._resolver.find, reference)
            _check(secret)
        except LmctlError as problem:
            self._complain(name, problem)
            return before if isinstance(problem, Unreachable) else None
        self._told.pop(name, None)
        return FoundToken(secret.sha256, _spelled(reference))

    def _due(self, command: tuple[str, ...]) -> bool:
        last = self._ran.get(command)
        if last is not None and self._clock() - last < self._period:
            return False
        self._ran[command] = self._clock()
        return True

    def _complain(self, name: str, problem: LmctlError) -> None:
        words = ". ".join(_words(problem))
        if self._told.get(name) != words:
            self._told[name] = words
            message = f"token {name} is not known, so nobody can use it: {words}"
            self._tell("server/gateway", "TokenMissing", message, "warning")


def _words(problem: LmctlError) -> Iterator[str]:
    yield str(problem)
    if problem.hint:
        yield problem.hint


def _check(secret: Secret) -> None:
    if len(secret.reveal()) < SHORTEST:
        raise Refused(
            f"{secret.where}: shorter than {SHORTEST} characters, it could be guessed",
            hint="`lmctl token create NAME` makes one that cannot",
        )


def _spelled(reference: SecretRef) -> str:
    """Return what tells one reference from another; where a secret is, is none."""
    return reference.model_dump_json(by_alias=True, exclude_none=True)


def _read(path: Path) -> FoundTokens:
    try:
        return msgspec.json.decode(read_if_there(path) or b"{}", type=FoundTokens)
    except msgspec.DecodeError:
        return FoundTokens()
