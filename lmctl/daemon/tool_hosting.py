"""The tool servers of this box: hosted as declared, with the secrets they refer to in their places."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lmctl.adapters.home import Home
from lmctl.adapters.mcp.host import ToolHost
from lmctl.adapters.mcp.oauth import Back, OwnClient, Show, oauth, without_a_person
from lmctl.adapters.mcp.targets import LocalTarget, RemoteTarget, Target, Transport
from lmctl.adapters.secrets import SecretResolver, fingerprint_key
from lmctl.manifests.secret_ref import SecretRef
from lmctl.planning.desired import DesiredState
from lmctl.planning.policies import BOX
from lmctl.planning.seen_tools import SeenToolServer, ToolPhase
from lmctl.planning.wanted_tools import WantedToolServer, with_secrets

Tell = Callable[[str, str, str, str], object]
_TRANSPORTS: Mapping[str | None, Transport] = {
    "http": "http",
    "streamable-http": "http",
    "streamableHttp": "http",
    "sse": "sse",
}
_TROUBLE = {ToolPhase.FAILING: "warning", ToolPhase.STUCK: "error"}


class ToolHosting:
    """Follows what is desired. `tell` writes an event: subject, reason, message, level; `ring` asks
    for a turn whenever a server is another than before.
    """

    def __init__(self, home: Home, *, tell: Tell, ring: Callable[[], object]) -> None:
        self._tell = tell
        self._ring = ring
        self._home = home
        self._told: dict[str, SeenToolServer] = {}
        self._wanted: tuple[WantedToolServer, ...] = ()
        self._resolver = SecretResolver(fingerprint_key(home.root))
        self.host = ToolHost(self._target, logs=home.logs, changed=self._changed)

    def follow(self, desired: DesiredState) -> None:
        """Host what is desired; what is suspended stays as it is."""
        if BOX in desired.suspended:
            return
        left = {each.name for each in self._wanted if _alone(each.name, desired)}
        new = [each for each in desired.tool_servers if not _alone(each.name, desired)]
        self._wanted = (*(each for each in self._wanted if each.name in left), *new)
        self.host.follow(self._wanted)

    def _changed(self) -> None:
        for seen in self.host.seen():
            before = self._told.get(seen.name)
            self._told[seen.name] = seen
            if before is not None and before.tools != seen.tools and seen.tools and before.tools:
                self._tell(f"mcp/{seen.name}", "ToolsChanged", ", ".join(seen.tools), "info")
            if seen.phase in _TROUBLE and (before is None or before.phase is not seen.phase):
                self._tell(f"mcp/{seen.name}", "Failed", seen.reason, _TROUBLE[seen.phase])
        self._ring()

    async def _target(self, want: WantedToolServer) -> Target:
        """Return where a server is; see `target_of`. Nobody can log in here."""
        show, back = without_a_person(want.name)
        return await target_of(want, self._resolver, self._home, show=show, back=back)


async def target_of(
    want: WantedToolServer, resolver: SecretResolver, home: Home, *, show: Show, back: Back
) -> Target:
    """Return where a server is, with secrets in their places; `show` and `back` are of `oauth`.

    Raises what a secret that cannot be had is told by.
    """
    secrets = {
        name: (await asyncio.to_thread(resolver.find, _reference(each))).reveal()
        for name, each in want.secrets.items()
    }
    target = _target(want, secrets)
    if isinstance(target, LocalTarget) or any(
        name.casefold() == "authorization" for name in target.headers
    ):
        return target
    own = None
    if want.client_id is not None:
        secret = want.client_secret
        own = OwnClient(want.client_id, with_secrets(secret, secrets) if secret else None)
    path = home.logins / f"{want.label}.json"
    auth = oauth(target.url, path, own=own, show=show, back=back)
    return replace(target, auth=auth)


def _alone(name: str, desired: DesiredState) -> bool:
    return f"mcp/{name}" in desired.suspended


def _reference(said: Mapping[str, Any]) -> SecretRef:
    return SecretRef.model_validate({key: each for key, each in said.items() if each is not None})


def _target(want: WantedToolServer, secrets: Mapping[str, str]) -> Target:
    def filled(texts: Mapping[str, str]) -> dict[str, str]:
        return {key: with_secrets(each, secrets) for key, each in texts.items()}

    if want.command:
        return LocalTarget(
            want.command,
            tuple(with_secrets(each, secrets) for each in want.args),
            filled(want.env),
            str(Path(want.cwd).expanduser()) if want.cwd else None,
        )
    return RemoteTarget(
        with_secrets(want.url, secrets),
        filled(want.headers),
        _TRANSPORTS.get(want.transport, "auto"),
    )
