"""GET /v1/models and /v1/models/{id} (contract 1.13)."""

from typing import Any

import msgspec
from falcon.asgi import Request, Response

from lmctl.api.catalogue import NotListed
from lmctl.api.errors import JSON_TYPE
from lmctl.serving.gateway import Gateway
from lmctl.serving.routes import public_names


class Models:
    """Every public name that is served."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode({"data": _listing(self._gateway), "object": "list"})


class Model:
    """One public name; it may contain slashes."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response, model: str) -> None:
        listing = _listing(self._gateway)
        for entry in listing:
            if entry["id"] == model:
                resp.content_type = JSON_TYPE
                resp.data = msgspec.json.encode(entry)
                return
        known = ", ".join(each["id"] for each in listing) or "none"
        raise NotListed(f"no model named `{model}`", hint=f"known: {known}")


def _listing(gateway: Gateway) -> list[dict[str, Any]]:
    snapshot = gateway.snapshot()
    return [
        {
            "id": name,
            "object": "model",
            "created": snapshot.written_at,
            "owned_by": "organization_owner",
        }
        for name in public_names(snapshot.surface)
    ]
