"""`/openapi.json` is true: no request that can be made of it breaks a gateway, every answer fits.

With a control plane behind it, and with each scope of a token: tests/e2e/test_fuzzed_box.py.
"""

import asyncio

from jsonschema import Draft202012Validator

from lmctl.api.endpoints import DESCRIBED
from lmctl.api.openapi import description
from lmctl.planning.known_models import KnownModel, ModelInstance
from tests.support.fuzzing import Fuzzing

# Only a control plane can answer these; without one they say so with a 503.
BY_THE_DAEMON = (
    "/api/v1/models/load",
    "/api/v1/models/unload",
    "/api/v1/models/download",
    "/api/v1/models/download/status/{job_id}",
)
CHAT = ModelInstance("chat", "chat", True, "llama.cpp", "1", 4096, 2, 512, None, True)


async def test_no_request_breaks_it_and_every_answer_fits_its_schema(box, gateway, client):
    box.models(KnownModel("acme/tiny", format="gguf", instances=(CHAT,)))
    made = await client.responses.create(model="chat", input="one")
    url = f"http://{gateway.address}/openapi.json"
    fuzzing = Fuzzing(url, skipped=BY_THE_DAEMON, response_id=made.id)
    statuses = (await asyncio.to_thread(fuzzing.run)).of()
    assert statuses[200] > 10, statuses
    assert statuses[400] > 10, statuses
    assert not [line for line in gateway.lines if line.get("level") == "error"]


def test_every_schema_in_it_is_one():
    schemas = description(DESCRIBED)["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert schemas["NativeChatBody"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["ChatBody"]
