"""A whole box is asked whatever `/openapi.json` allows: without a token, and with each scope alone."""

import hashlib
from collections.abc import Iterator
from typing import get_args

import httpx2
import pytest

from lmctl.manifests.server import Scope
from tests.support.box import Box, box_in
from tests.support.file_server import refusing_port
from tests.support.fuzzing import Fuzzing

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

SCOPES = get_args(Scope)
LOAD, UNLOAD = "/api/v1/models/load", "/api/v1/models/unload"
DOWNLOAD = "/api/v1/models/download"
READ = ("/v1/models", "/api/v1/models", "/api/v0/models")


def token_of(scope: str) -> str:
    return f"sk-lm-Ab3dEf9h:{hashlib.sha256(scope.encode()).hexdigest()[:20]}"


def needed(path: str) -> str:
    """Return the scope a path needs, as docs/tasks/tokens.md has it."""
    if path in (LOAD, UNLOAD, DOWNLOAD):
        return "models:write"
    return "models:read" if path.startswith(READ) else "inference"


@pytest.fixture(scope="module")
def box(tmp_path_factory) -> Iterator[Box]:
    """One that answers, embeds nothing, and has a model that requests may load and unload."""
    with box_in(tmp_path_factory.mktemp("fuzzed")) as made:
        made.env["HF_ENDPOINT"] = f"http://127.0.0.1:{refusing_port()}"
        known = [
            f'{{name: {scope.replace(":", "-")}, scopes: ["{scope}"],'
            f' hash: "sha256:{hashlib.sha256(token_of(scope).encode()).hexdigest()}"}}'
            for scope in SCOPES
        ]
        made.write(
            "server.yaml",
            f"listen: {{host: 127.0.0.1, port: {made.port}, workers: 1}}\n"
            f"auth: {{required: true, tokens: [{', '.join(known)}]}}\n",
        )
        made.echo("chat")
        made.echo("spare", residency="{mode: jit}")
        made.apply()
        yield made
        made.lmctl("daemon", "down")
        assert made.left_over() == [], "something outlived `lmctl daemon down`"


def fuzz(box: Box, token: str = "") -> Fuzzing:
    names = {
        LOAD: {"model": "acme/spare", "echo_load_config": True},
        UNLOAD: {"instance_id": "spare"},
    }
    return Fuzzing(f"{box.url}/openapi.json", often=2, token=token, names=names).run()


def test_without_a_token_everything_is_a_401_of_its_dialect(box):
    assert set(fuzz(box).of()) == {401}


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_opens_what_it_is_for_and_nothing_else(box, scope):
    fuzzing = fuzz(box, token_of(scope))

    def opened(path: str) -> bool:
        return scope in (needed(path), "admin")

    refused = {path for path, status in fuzzing.statuses if opened(path) and status in {401, 403}}
    assert refused <= {"/api/v1/chat"}, "it refuses `integrations` of its own accord"
    assert set(fuzzing.of(lambda path: not opened(path))) <= {403}
    if scope in ("admin", "inference", "models:read", "models:write"):
        assert 200 in fuzzing.of(opened)
    with httpx2.Client(base_url=box.url, timeout=60) as client:
        headers = {"authorization": f"Bearer {token_of('inference')}"}
        body = {"model": "chat", "messages": [{"role": "user", "content": "still here"}]}
        answer = client.post("/v1/chat/completions", json=body, headers=headers)
    assert answer.json()["choices"][0]["message"]["content"] == "still here"
    logs = "".join(path.read_text() for path in box.home.logs.glob("*.log"))
    assert token_of(scope).partition(":")[2] not in logs
