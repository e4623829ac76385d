"""Who may ask what: tokens, scopes, headers, what errors look like, and what is never written down."""

import hashlib

import msgspec
import pytest
import structlog

from lmctl.api.endpoints import ENDPOINTS
from lmctl.planning.surface import Access, Cors, FoundToken, FoundTokens, ServedToken
from tests.functional.gateway.conftest import HELLO

TOKEN = "sk-lm-Ab3dEf9h:0123456789abcdefghij"
OTHER = "sk-lm-Ab3dEf9h:0123456789abcdefghiX"
BEARER = {"authorization": f"Bearer {TOKEN}"}
EVERYTHING = ("models:read", "models:write", "inference", "mcp:ephemeral", "mcp:local")


def sha256(token):
    return hashlib.sha256(token.encode()).hexdigest()


def access(*scopes, required=True):
    token = ServedToken("ci", scopes, sha256(TOKEN))
    return Access(required, (ServedToken("other", (), sha256("x" * 20)), token))


@pytest.fixture
def serve(box):
    def serve(*scopes, required=True, **settings):
        box.serve(box.route(), access=access(*scopes, required=required), **settings)

    return serve


async def test_a_known_token_with_the_scope_is_answered(server, runner, serve):
    serve("inference")
    assert (await server.chat(headers=BEARER)).status == 200
    assert (await server.chat(headers={"authorization": f"bearer  {TOKEN} "})).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": f"Bearer {OTHER}"},
        {"authorization": f"Bearer {TOKEN[:-1]}"},
        {"authorization": "Bearer "},
        {"authorization": "Bearer"},
        {"authorization": TOKEN},
        {"authorization": f"Basic {TOKEN}"},
        {"authorization": f"Bearer {sha256(TOKEN)}"},
        {"x-api-key": TOKEN},
        {"authorization": "Bearer \xff\xfe"},
    ],
)
async def test_anything_else_is_a_401(server, runner, serve, headers):
    serve("inference")
    answer = await server.chat(headers=headers)

    assert answer.status == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    error = answer.json["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_api_key")
    assert runner.calls == []


async def test_while_no_token_is_required_any_header_is_ignored(server, runner, serve):
    serve("inference", required=False)
    assert (await server.chat()).status == 200
    assert (await server.chat(headers={"authorization": f"Bearer {OTHER}"})).status == 200


async def test_a_token_counts_from_the_request_after_it_was_declared_and_no_longer(
    box, server, runner, serve
):
    box.serve(box.route(), access=Access(required=True))
    before = await server.chat(headers=BEARER)
    serve("inference")
    declared = await server.chat(headers=BEARER)
    box.serve(box.route(), access=Access(required=True))
    gone = await server.chat(headers=BEARER)

    assert [before.status, declared.status, gone.status] == [401, 200, 401]


NEEDS = [
    ("POST", "/v1/chat/completions", "inference"),
    ("POST", "/v1/completions", "inference"),
    ("POST", "/v1/embeddings", "inference"),
    ("POST", "/v1/responses", "inference"),
    ("POST", "/api/v1/chat", "inference"),
    ("POST", "/v1/messages", "inference"),
    ("POST", "/v1/messages/count_tokens", "inference"),
    ("GET", "/v1/models", "models:read"),
    ("GET", "/v1/models/acme/tiny", "models:read"),
    ("POST", "/api/v0/chat/completions", "inference"),
    ("POST", "/api/v0/completions", "inference"),
    ("GET", "/api/v0/models", "models:read"),
    ("GET", "/api/v0/models/acme/tiny", "models:read"),
    ("GET", "/api/v1/models", "models:read"),
    ("POST", "/api/v1/models/load", "models:write"),
    ("POST", "/api/v1/models/unload", "models:write"),
    ("POST", "/api/v1/models/download", "models:write"),
    ("GET", "/api/v1/models/download/status/job_0123456789", "models:read"),
]


@pytest.mark.parametrize(("method", "path", "scope"), NEEDS)
async def test_a_scope_that_is_missing_is_a_403_that_names_it(server, serve, method, path, scope):
    serve(*(each for each in EVERYTHING if each != scope))
    answer = await server.ask(method, path, headers=BEARER)

    assert answer.status == 403
    assert f"`{scope}`" in answer.json["error"]["message"]


@pytest.mark.parametrize(("method", "path", "scope"), NEEDS)
async def test_the_scope_or_admin_is_let_through(server, serve, method, path, scope):
    for scopes in ((scope,), ("admin",)):
        serve(*scopes)
        answer = await server.ask(method, path, headers=BEARER)
        assert answer.status not in (401, 403), answer.json


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/lmstudio-greeting", "/metrics"])
async def test_probes_and_metrics_need_no_token(server, serve, path):
    serve()
    assert (await server.get(path)).status in (200, 503)


async def test_each_dialect_has_its_own_shape_of_no(server, serve):
    serve("models:read")
    paths = ["/v1/chat/completions", "/v1/messages", "/api/v1/models/load"]
    unknown = [(await server.ask("POST", each, json_body=HELLO)).json for each in paths]
    barred = [
        (await server.ask("POST", each, json_body=HELLO, headers=BEARER)).json for each in paths
    ]

    assert [each["error"]["type"] for each in unknown] == [
        "invalid_request_error",
        "authentication_error",
        "invalid_request",
    ]
    assert [each["error"]["type"] for each in barred] == [
        "invalid_request_error",
        "permission_error",
        "invalid_request",
    ]
    assert unknown[1]["type"] == "error"
    assert unknown[2]["error"]["code"] == "invalid_api_key"


async def test_anthropic_clients_may_use_their_own_header(server, runner, serve):
    serve("inference")
    body = HELLO | {"model": "chat", "max_tokens": 9}

    async def ask(**headers):
        found = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await server.ask("POST", "/v1/messages", json_body=body, headers=found)
        return answer.status

    assert await ask(x_api_key=TOKEN) == 200
    assert await ask(authorization=f"Bearer {TOKEN}") == 200
    assert await ask(x_api_key=TOKEN, authorization=f"Bearer {OTHER}") == 200
    assert await ask(x_api_key=OTHER) == 401


async def test_a_header_that_is_given_twice_is_no_answer_to_who_asks(server, serve):
    """Who stands in front of the gateway may have looked at the other of the two."""
    serve("inference", "models:read")

    async def twice(scope, receive, send):
        scope["headers"].append((b"authorization", f"Bearer {TOKEN}".encode()))
        await app(scope, receive, send)

    app, server.app = server.app, twice
    answer = await server.get("/v1/models", headers=BEARER)

    assert answer.status == 401
    assert "more than once" in answer.json["error"]["message"]


async def test_the_body_is_not_read_before_the_token_is_known(server, serve):
    serve("inference")
    answer = await server.ask("POST", "/v1/chat/completions", body=b"{" * 100)
    assert answer.status == 401


async def test_a_token_found_by_the_control_plane_counts_as_soon_as_its_hash_is_told(
    box, server, runner
):
    box.serve(box.route(), access=Access(True, (ServedToken("env", ("inference",)),)))
    unknown = await server.chat(headers=BEARER)
    empty = await server.chat(headers={"authorization": "Bearer "})
    found = FoundTokens({"env": FoundToken(sha256(TOKEN), "env X")})
    (box.folder / "tokens.json").write_bytes(msgspec.json.encode(found))

    assert (unknown.status, empty.status) == (401, 401)
    assert (await server.chat(headers=BEARER)).status == 200
    assert (await server.chat(headers={"authorization": f"Bearer {OTHER}"})).status == 401


async def test_a_page_is_told_why_it_may_not(server, serve):
    serve("inference", cors=Cors(enabled=True))
    page = {"origin": "https://app.example"}
    preflight = await server.ask("OPTIONS", "/v1/chat/completions", headers=page)
    refused = await server.chat(headers=page)

    assert preflight.status == 204
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_who_asked_is_logged_by_name_and_no_token_ever_is(server, runner, serve):
    serve("inference")
    with structlog.testing.capture_logs() as lines:
        await server.chat(headers=BEARER)
        refused = await server.chat(headers={"authorization": f"Bearer {OTHER}"})
        await server.get("/v1/models", headers=BEARER)

    asked = [line for line in lines if line["event"] == "request"]
    assert [line.get("token") for line in asked] == ["ci", None, "ci"]
    said = repr(lines) + refused.body.decode()
    assert not any(each in said for each in (TOKEN, OTHER, "0123456789"))


async def test_what_is_refused_is_counted(server, serve):
    serve("inference")
    await server.chat()
    text = (await server.get("/metrics")).body.decode()
    assert 'lmctl_requests_rejected_total{reason="invalid_api_key"}' in text


async def test_loading_over_the_network_needs_a_token(server, serve):
    serve(required=False)
    stranger = ("192.168.7.7", 1)
    load = {"json_body": {"model": "x"}, "client": stranger}
    without = await server.ask("POST", "/api/v1/models/load", **load)
    serve("models:write")
    proven = await server.ask("POST", "/api/v1/models/load", headers=BEARER, **load)

    assert (without.status, without.json["error"]["code"]) == (403, "refused")
    assert proven.json["error"]["code"] == "control_plane_down"


async def test_the_control_plane_stays_closed_to_strangers_whatever_they_show(server, serve):
    serve("admin")
    answer = await server.get("/lmctl/v1/status", headers=BEARER, client=("192.168.7.7", 1))
    assert answer.status == 403


def test_every_endpoint_says_what_it_needs():
    """A route without a scope in the table would need `admin`: nobody may forget one."""
    scopes = {each.path: each.scope for each in ENDPOINTS}
    assert {path for path, scope in scopes.items() if scope is None} == {
        "/livez",
        "/lmstudio-greeting",
        "/metrics",
        "/openapi.json",
        "/readyz",
    }
    assert set(scopes.values()) <= {None, *EVERYTHING}
