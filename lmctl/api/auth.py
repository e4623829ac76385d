"""Who may ask what: the token of a request against the declared ones, before its body is read.

A token is looked for by the hash of what was shown, against every declared one, each compared in
constant time: how long it takes tells neither whether a name exists nor how much of a token fits.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from typing import Any

from falcon.asgi import Request, Response

from lmctl.api.catalogue import MissingScope, UnknownCaller, code_of
from lmctl.api.closing import exchange_of
from lmctl.api.principal import ANYBODY, Principal
from lmctl.base.errors import LmctlError
from lmctl.serving.gateway import Gateway
from lmctl.serving.snapshot import Snapshot

_BEARER = b"bearer "
_MESSAGES = "/v1/messages"
_NOTHING = bytes(32).hex()


class Guard:
    """Middleware: every endpoint names the scope it needs, or None when it is open to all.

    `scopes` are by the path template of the route; a path that is missing needs `admin`.
    """

    def __init__(self, gateway: Gateway, scopes: Mapping[str, str | None]) -> None:
        self._gateway = gateway
        self._scopes = scopes

    async def process_resource(
        self, req: Request, _resp: Response, _resource: Any, _params: Any
    ) -> None:
        scope = self._scopes.get(req.uri_template or "", "admin")
        if scope is None:
            return
        exchange = exchange_of(req)
        try:
            principal = exchange.principal = principal_of(req, self._gateway.snapshot())
            if principal.proven:
                exchange.notes["token"] = principal.name
            require(principal, scope)
        except LmctlError as error:
            self._gateway.metrics.rejected(code_of(error) or "refused")
            raise


def principal_of(req: Request, snapshot: Snapshot) -> Principal:
    """Return who asks. While no token is required any header is ignored. Raises UnknownCaller."""
    access = snapshot.surface.access
    if not access.required:
        return ANYBODY
    shown = list(_shown(req))
    if not shown:
        raise UnknownCaller("a token is needed here", hint=_how(req))
    found = [each for each in (_known(token, snapshot) for token in shown) if each is not None]
    if not found:
        raise UnknownCaller("the token is not known here", hint="`lmctl token ls` lists what is")
    return found[0]


def require(principal: Principal, scope: str) -> None:
    """Raise MissingScope unless the principal may do this."""
    if not principal.may(scope):
        raise MissingScope(
            f"token `{principal.name}` does not allow this: it needs the scope `{scope}`",
            hint="add it to the token's `scopes` in the Server",
        )


def _shown(req: Request) -> Iterator[bytes]:
    """Yield the tokens of a request: `Authorization: Bearer`, and Anthropic's `x-api-key`.

    Raises UnknownCaller where a header is given twice: who is in front may have read the other one.
    """
    authorization = _only(req, b"authorization")
    if authorization[:7].lower() == _BEARER:
        yield authorization[7:].strip()
    if _speaks_anthropic(req) and (key := _only(req, b"x-api-key")):
        yield key.strip()


def _only(req: Request, name: bytes) -> bytes:
    values = [value for each, value in req.scope["headers"] if each == name]
    if len(values) > 1:
        raise UnknownCaller(f"the header `{name.decode()}` is given more than once")
    return values[0] if values else b""


def _known(token: bytes, snapshot: Snapshot) -> Principal | None:
    """Return whose token it is; every declared one is looked at, whichever it is."""
    shown = hashlib.sha256(token).hexdigest()
    found = None
    for each in snapshot.surface.access.tokens:
        told = snapshot.tokens.tokens.get(each.name)
        known = each.hash or (told.hash if told else _NOTHING)
        if hmac.compare_digest(known, shown):
            found = Principal(each.name, frozenset(each.scopes), proven=True)
    return found


def _speaks_anthropic(req: Request) -> bool:
    return req.path == _MESSAGES or req.path.startswith(f"{_MESSAGES}/")


def _how(req: Request) -> str:
    also = " or `x-api-key: TOKEN`" if _speaks_anthropic(req) else ""
    return f"send `Authorization: Bearer TOKEN`{also}"
