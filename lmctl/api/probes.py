"""Is it alive, can it serve: what load balancers, supervisors and `lms` ask.

GET /lmstudio-greeting   LM Studio's own "is a server running here" (contract 1.1)
GET /livez               this worker answers
GET /readyz              every resident instance is ready and its runner takes connections
"""

import msgspec
from falcon.asgi import Request, Response

from lmctl.api.errors import JSON_TYPE
from lmctl.serving.gateway import Gateway
from lmctl.serving.readiness import Shortfall, shortfalls


class Greeting:
    """LM Studio's greeting."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = JSON_TYPE
        resp.data = b'{"lmstudio":true}'


class Alive:
    """This worker answers; nothing else is looked at."""

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.content_type = JSON_TYPE
        resp.data = b'{"status":"alive"}'

    on_head = on_get


class Ready:
    """Whether everything that should be serving is, and if not: what and why."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response) -> None:
        missing = await shortfalls(self._gateway.snapshot())
        resp.status = 503 if missing else 200
        resp.content_type = JSON_TYPE
        resp.data = msgspec.json.encode(_body(missing))

    on_head = on_get


def _body(missing: list[Shortfall]) -> dict[str, object]:
    if not missing:
        return {"status": "ready"}
    return {
        "status": "not ready",
        "waiting_for": [{"instance": each.instance, "reason": each.reason} for each in missing],
    }
