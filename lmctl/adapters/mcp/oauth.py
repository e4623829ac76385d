"""OAuth for remote tool servers (contract 3.4): a person logs in once, the daemon goes on from there.

What is needed to go on lies in a file per server that only its owner can read: tokens, who we are to
the server, and where tokens are renewed, which the SDK asks for anew only after it was refused.
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx2
import msgspec
from pydantic import AnyUrl

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.base.errors import Refused

if TYPE_CHECKING:
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthToken

CALLBACK_PORT: Final = 33389
CALLBACK_PATH: Final = "/mcp-oauth-callback"
CALLBACK: Final = f"http://127.0.0.1:{CALLBACK_PORT}{CALLBACK_PATH}"

Show = Callable[[str], Awaitable[None]]
Back = Callable[[], "Awaitable[AuthorizationCodeResult]"]


class Login(msgspec.Struct, frozen=True):
    """What is kept of a login. `expires_at` is in unix seconds, 0 where the token does not say."""

    url: str = ""
    tokens: dict[str, Any] | None = None
    client: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    expires_at: float = 0.0


@dataclass(frozen=True, slots=True)
class OwnClient:
    """An OAuth application that was registered with the server by hand."""

    id: str
    secret: str | None = None


class LoginFile:
    """The login to one server, as the SDK wants to keep it. One of another address counts for none."""

    def __init__(self, path: Path, url: str, own: OwnClient | None) -> None:
        self._path = path
        self._url = url
        self._own = own
        self.provider: OAuthClientProvider | None = None

    async def get_tokens(self) -> "OAuthToken | None":
        """Return the tokens, and let the SDK know until when they are good and where to renew them."""
        from mcp.shared.auth import OAuthMetadata, OAuthToken

        login = self._read()
        if login.tokens is None:
            return None
        if self.provider is not None:
            context = self.provider.context
            context.token_expiry_time = login.expires_at or None
            if login.metadata is not None:
                context.oauth_metadata = OAuthMetadata.model_validate(login.metadata)
        return OAuthToken.model_validate(login.tokens)

    async def set_tokens(self, tokens: "OAuthToken") -> None:
        """Keep new tokens."""
        metadata = self.provider.context.oauth_metadata if self.provider is not None else None
        self._write(
            tokens=_plain(tokens),
            metadata=_plain(metadata) if metadata is not None else None,
            expires_at=time.time() + tokens.expires_in if tokens.expires_in else 0.0,
        )

    async def get_client_info(self) -> "OAuthClientInformationFull | None":
        """Return who we are to the server: the application that is declared, else the registered one."""
        from mcp.shared.auth import OAuthClientInformationFull

        if self._own is not None:
            return OAuthClientInformationFull(
                client_id=self._own.id,
                client_secret=self._own.secret,
                redirect_uris=[AnyUrl(CALLBACK)],
                token_endpoint_auth_method="client_secret_post" if self._own.secret else "none",
            )
        known = self._read().client
        return None if known is None else OAuthClientInformationFull.model_validate(known)

    async def set_client_info(self, client_info: "OAuthClientInformationFull") -> None:
        """Keep who we are to the server."""
        self._write(client=_plain(client_info))

    def _read(self) -> Login:
        try:
            login = msgspec.json.decode(read_if_there(self._path) or b"{}", type=Login)
        except msgspec.DecodeError:
            return Login(self._url)
        return login if login.url == self._url else Login(self._url)

    def _write(self, **told: Any) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        login = msgspec.structs.replace(self._read(), **told)
        write_atomically(self._path, msgspec.json.encode(login), mode=0o600)


def oauth(url: str, path: Path, *, own: OwnClient | None, show: Show, back: Back) -> httpx2.Auth:
    """Return what authorizes requests to a server: tokens are kept in `path` and renewed there.

    Where a person has to agree, `show` gets the address of the page and `back` waits for the answer.
    """
    from mcp.client.auth import OAuthClientProvider
    from mcp.shared.auth import OAuthClientMetadata

    kept = LoginFile(path, url, own)
    metadata = OAuthClientMetadata(client_name="lmctl", redirect_uris=[AnyUrl(CALLBACK)])
    kept.provider = OAuthClientProvider(url, metadata, kept, show, back)
    return kept.provider


def without_a_person(name: str) -> tuple[Show, Back]:
    """Return the two for a process nobody sits at: whoever reads the status is told what to do."""
    refusal = Refused(
        f"tool server `{name}` wants somebody to log in",
        hint=f"`lmctl mcp login {name}`",
    )

    async def show(_page: str) -> None:
        raise refusal

    async def back() -> "AuthorizationCodeResult":
        raise refusal

    return show, back


def _plain(value: Any) -> dict[str, Any]:
    found: dict[str, Any] = value.model_dump(mode="json", exclude_none=True)
    return found
