"""Nothing is served that `/openapi.json` does not tell of, and nothing told that is not served."""

import falcon

from lmctl.api.app import routes_of
from lmctl.api.operations import OPERATIONS

PROBES = {"/lmstudio-greeting", "/livez", "/readyz", "/metrics", "/openapi.json"}


def served(server):
    for path, (_, resource) in routes_of(server.gateway, server.conversations).items():
        for method in falcon.HTTP_METHODS:
            if hasattr(resource, f"on_{method.lower()}") and path not in PROBES:
                yield method.lower(), path.replace(":path}", "}")


async def test_every_operation_is_described(server):
    described = [(each.method, each.path) for each in OPERATIONS]
    assert sorted(described) == sorted(served(server)), "add a row to lmctl/api/operations.py"


async def test_the_description_is_served_to_anybody(server, runner):
    answer = await server.get("/openapi.json")
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
    chat = answer.json["paths"]["/v1/chat/completions"]["post"]
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    native = answer.json["paths"]["/api/v1/chat"]["post"]["responses"]["default"]
    assert native["content"]["application/json"]["schema"]["$ref"].endswith("NativeError")
