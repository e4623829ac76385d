"""`/openapi.json` is true: no request that can be made of it breaks a gateway, every answer fits."""

import asyncio
from collections import Counter

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lmctl.api.openapi import description
from lmctl.planning.known_models import KnownModel, ModelInstance

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
# Only a control plane can answer these; without one they say so with a 503.
BY_THE_DAEMON = ("/api/v1/models/load", "/api/v1/models/unload")
CHAT = ModelInstance("chat", "chat", True, "llama.cpp", "1", 4096, 2, 512, None, True)


# What a request may bring that every version acts on: with nothing else it is answered.
PLAIN = {
    "input", "instructions", "max_output_tokens", "max_tokens", "messages", "model", "prompt",
    "stop", "store", "stream", "system", "system_prompt", "temperature", "top_p",
}  # fmt: skip


def fuzz(url: str, response_id: str) -> Counter:
    """Ask every operation some dozen times, as described, in plain words, and otherwise; return how
    often which status came.
    """
    statuses = Counter()
    for found in schemathesis.openapi.from_url(url).get_all_operations():
        operation = found.ok()
        if operation.path in BY_THE_DAEMON:
            continue
        ask_often(operation, GenerationMode.POSITIVE, response_id, statuses)
        if operation.body:
            ask_often(operation, GenerationMode.NEGATIVE, response_id, statuses)
    return statuses


def ask_often(operation, mode, response_id, statuses):
    @given(operation.as_strategy(generation_mode=mode), st.booleans())
    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case, plain):
        if plain and mode is GenerationMode.POSITIVE:
            _plain(case, response_id)
        answer = case.call_and_validate(checks=CHECKS, timeout=30)
        statuses[answer.status_code] += 1

    ask()


def _plain(case, response_id):
    """Make a request one that can be answered, whoever serves it."""
    if isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if name in PLAIN}
        case.body["model"] = "chat"
    if case.method == "GET" and "response_id" in (case.path_parameters or {}):
        case.path_parameters["response_id"] = response_id


async def test_no_request_breaks_it_and_every_answer_fits_its_schema(box, gateway, client):
    box.models(KnownModel("acme/tiny", format="gguf", instances=(CHAT,)))
    made = await client.responses.create(model="chat", input="one")
    url = f"http://{gateway.address}/openapi.json"
    statuses = await asyncio.to_thread(fuzz, url, made.id)
    assert statuses[200] > 20, statuses
    assert statuses[400] > 20, statuses
    assert not [line for line in gateway.lines if line.get("level") == "error"]


def test_every_schema_in_it_is_one():
    schemas = description()["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert schemas["NativeChatBody"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["ChatBody"]
