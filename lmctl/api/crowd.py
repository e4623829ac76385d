"""How many requests one gateway process answers at once; what is over is refused before it is read."""

from collections.abc import Mapping
from typing import Any

from falcon.asgi import Request, Response

from lmctl.api.closing import exchange_of
from lmctl.base.errors import Busy
from lmctl.serving.gateway import Gateway

_COUNTED = "inference"


class Crowd:
    """Middleware that counts what models are asked; `scopes` are by the path template of the route."""

    def __init__(self, gateway: Gateway, scopes: Mapping[str, str | None]) -> None:
        self._gateway = gateway
        self._scopes = scopes
        self._inside = 0

    async def process_resource(
        self, req: Request, _resp: Response, _resource: Any, _params: Any
    ) -> None:
        if self._scopes.get(req.uri_template or "") != _COUNTED:
            return
        most = self._gateway.snapshot().surface.limits.concurrency
        if self._inside >= most:
            self._gateway.metrics.rejected("too_many_requests")
            hint = "try again, or raise `spec.limits.concurrency` of the Server"
            raise Busy(f"{self._inside} requests are being answered already", hint=hint)
        self._inside += 1
        exchange_of(req).stack.callback(self._left)

    def _left(self) -> None:
        self._inside -= 1
