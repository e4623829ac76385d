"""Nothing is served that `/openapi.json` does not tell of, and nothing told that is not served."""

import falcon

from lmctl.api.endpoints import DESCRIBED, ENDPOINTS
from lmctl.api.operations import Parts

PROBES = {"/lmstudio-greeting", "/livez", "/readyz", "/metrics", "/openapi.json"}


def served(endpoint, parts):
    resource = endpoint.make(parts)
    return {m.lower() for m in falcon.HTTP_METHODS if hasattr(resource, f"on_{m.lower()}")}


async def test_every_method_that_is_served_is_described_and_no_other(server):
    parts = Parts(server.gateway, server.conversations)
    for each in DESCRIBED:
        assert {operation.method for operation in each.operations} == served(each, parts), each.path
    assert {each.path for each in ENDPOINTS} - {each.path for each in DESCRIBED} == PROBES


async def test_the_description_is_served_to_anybody(server, runner):
    answer = await server.get("/openapi.json")
    assert (answer.status, answer.json["openapi"]) == (200, "3.1.0")
    chat = answer.json["paths"]["/v1/chat/completions"]["post"]
    assert set(chat["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    native = answer.json["paths"]["/api/v1/chat"]["post"]["responses"]["default"]
    assert native["content"]["application/json"]["schema"]["$ref"].endswith("NativeError")
