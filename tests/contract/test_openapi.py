"""`/openapi.json` is true: no request that can be made of it breaks a gateway, every answer fits."""

import asyncio
import hashlib
from collections import Counter
from typing import NamedTuple

import pytest
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
from lmctl.planning.surface import Access, ServedToken

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


def fuzz(url: str, response_id: str = "resp_none", *, often: int = 5, token: str = "") -> Counter:
    """Ask every operation `often` times as described or in plain words, and as often otherwise;
    return how often which status came.
    """
    statuses = Counter()
    ask = Asking(
        often, response_id, {"authorization": f"Bearer {token}"} if token else {}, statuses
    )
    for found in schemathesis.openapi.from_url(url).get_all_operations():
        operation = found.ok()
        if operation.path in BY_THE_DAEMON:
            continue
        ask_often(operation, GenerationMode.POSITIVE, ask)
        if operation.body:
            ask_often(operation, GenerationMode.NEGATIVE, ask)
    return statuses


class Asking(NamedTuple):
    often: int
    response_id: str
    headers: dict[str, str]
    statuses: Counter


def ask_often(operation, mode, asking):
    @given(operation.as_strategy(generation_mode=mode), st.booleans())
    @settings(
        max_examples=asking.often,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case, plain):
        if plain and mode is GenerationMode.POSITIVE:
            _plain(case, asking.response_id)
        answer = case.call_and_validate(checks=CHECKS, timeout=30, headers=asking.headers)
        asking.statuses[answer.status_code] += 1

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
    assert statuses[200] > 10, statuses
    assert statuses[400] > 10, statuses
    assert not [line for line in gateway.lines if line.get("level") == "error"]


@pytest.mark.parametrize("scope", ["", "inference", "models:read"])
async def test_who_may_not_ask_gets_an_answer_that_fits_too(box, gateway, scope):
    token = "sk-lm-Ab3dEf9h:0123456789abcdefghij"
    known = ServedToken("ci", (scope,), hashlib.sha256(token.encode()).hexdigest())
    box.serve(box.route(), access=Access(required=True, tokens=(known,) if scope else ()))
    url = f"http://{gateway.address}/openapi.json"
    statuses = await asyncio.to_thread(fuzz, url, often=1, token=token if scope else "")
    refused = {403} if scope else {401}
    assert set(statuses) & {401, 403} == refused, statuses
    assert bool(scope) == bool(set(statuses) - refused), statuses


def test_every_schema_in_it_is_one():
    schemas = description()["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert schemas["NativeChatBody"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["ChatBody"]
