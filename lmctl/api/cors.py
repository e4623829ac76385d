"""Whether browsers of other origins may call; read from the surface on every request."""

from typing import Any

from falcon.asgi import Request, Response

from lmctl.api.catalogue import UnknownPath
from lmctl.planning.surface import Cors
from lmctl.serving.gateway import Gateway

_DAY = "86400"


class CorsMiddleware:
    """Answers preflights and marks answers, when the surface says so.

    While CORS is off an OPTIONS request is an unknown endpoint, as in LM Studio (contract 1.1).
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def process_request(self, req: Request, resp: Response) -> None:
        if req.method != "OPTIONS":
            return
        if not self._gateway.snapshot().surface.cors.enabled:
            raise UnknownPath(f"unexpected endpoint or method: OPTIONS {req.path}")
        wanted = req.get_header("Access-Control-Request-Headers") or "*"
        resp.set_header("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
        resp.set_header("access-control-allow-headers", wanted)
        resp.set_header("access-control-max-age", _DAY)
        if req.get_header("Access-Control-Request-Private-Network") == "true":
            resp.set_header("access-control-allow-private-network", "true")
        resp.status = 204
        resp.complete = True

    async def process_response(
        self, req: Request, resp: Response, _resource: Any, *_succeeded: bool
    ) -> None:
        origin = req.get_header("Origin")
        allowed = _allowed(self._gateway.snapshot().surface.cors, origin)
        if allowed is None:
            return
        resp.set_header("access-control-allow-origin", allowed)
        resp.set_header("access-control-expose-headers", "x-request-id, retry-after")
        if allowed != "*":
            resp.append_header("vary", "Origin")


def _allowed(cors: Cors, origin: str | None) -> str | None:
    if not cors.enabled or origin is None:
        return None
    if "*" in cors.origins:
        return "*"
    return origin if origin in cors.origins else None
