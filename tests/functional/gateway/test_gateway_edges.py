"""Models, probes, CORS, unknown paths, request ids, the control plane's API and the access log."""

import asyncio
import json

import pytest
import structlog

from lmctl.planning.surface import Cors, Health, Logs
from tests.support.tiny_runner import tiny_runner

PAGE = "https://app.example"


async def test_every_route_is_listed_once_with_the_contracts_keys(box, server):
    box.serve(box.route("b"), box.route("a/b/c"))

    body = (await server.get("/v1/models")).json

    assert list(body) == ["data", "object"]
    assert body["object"] == "list"
    assert [each["id"] for each in body["data"]] == ["a/b/c", "b"]
    assert list(body["data"][0]) == ["id", "object", "created", "owned_by"]
    assert body["data"][0]["owned_by"] == "organization_owner"
    assert body["data"][0]["created"] > 0


async def test_a_model_is_found_by_an_id_with_slashes_and_an_unknown_one_is_a_404(box, server):
    box.serve(box.route("a/b/c"))

    found = await server.get("/v1/models/a/b/c")
    missing = await server.get("/v1/models/a/b")

    assert found.json["id"] == "a/b/c"
    assert missing.status == 404
    assert missing.json["error"]["code"] == "model_not_found"
    assert missing.json["error"]["param"] == "model"


async def test_the_greeting_and_the_liveness_probe_need_nothing(server):
    assert (await server.get("/lmstudio-greeting")).json == {"lmstudio": True}
    assert (await server.get("/livez")).status == 200
    assert (await server.ask("HEAD", "/livez")).status == 200


async def test_ready_needs_every_resident_instance_to_be_ready_and_to_accept(box, server):
    before = await server.get("/readyz")
    box.serve(box.route("chat"), box.route("embed"), box.route("old"))
    box.health(chat="ready", embed=("loading", "40 %"), old="ready", gone="ready")
    async with tiny_runner(box.socket("chat")):
        partly = await server.get("/readyz")
        box.health(chat="ready")
        wholly = await server.get("/readyz")

    assert before.status == 503
    assert partly.status == 503
    assert partly.json["waiting_for"] == [
        {"instance": "embed", "reason": "loading: 40 %"},
        {"instance": "old", "reason": "its runner takes no connection (FileNotFoundError)"},
        {"instance": "gone", "reason": "no route leads to it"},
    ]
    assert wholly.status == 200


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        pytest.param("/v1/nope", {"message", "type", "param", "code"}, id="openai"),
        pytest.param("/api/v1/nope", {"type", "message", "code", "param"}, id="native"),
        pytest.param("/v1/messages/nope", {"type", "message"}, id="anthropic"),
        pytest.param("/", {"message", "type", "param", "code"}, id="root"),
    ],
)
async def test_an_unknown_path_is_a_404_in_the_shape_of_its_family(server, path, shape):
    answer = await server.get(path)

    assert answer.status == 404
    assert set(answer.json["error"]) == shape


async def test_a_wrong_method_is_a_405_that_says_which_is_right(server):
    answer = await server.get("/v1/chat/completions")

    assert answer.status == 405
    assert answer.json["error"]["message"].endswith("it takes POST")
    assert "POST" in answer.headers["allow"]


async def test_cors_follows_the_surface_without_a_restart(box, server, runner):
    origin = {"origin": PAGE}
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "x-a"}

    off = await server.ask("OPTIONS", "/v1/models", headers=origin | ask)
    off_get = await server.get("/v1/models", headers=origin)
    box.serve(box.route(), cors=Cors(enabled=True))
    on = await server.ask("OPTIONS", "/v1/models", headers=origin | ask)
    on_get = await server.get("/v1/models", headers=origin)
    box.serve(box.route(), cors=Cors(enabled=True, origins=(PAGE,)))
    named = await server.get("/v1/models", headers=origin)
    other = await server.get("/v1/models", headers={"origin": "https://else.example"})

    assert off.status == 404
    assert "access-control-allow-origin" not in off_get.headers
    assert on.status == 204
    assert on.headers["access-control-allow-headers"] == "x-a"
    assert on_get.headers["access-control-allow-origin"] == "*"
    assert named.headers["access-control-allow-origin"] == PAGE
    assert "access-control-allow-origin" not in other.headers


async def test_errors_carry_cors_too_so_that_a_page_can_read_them(box, server):
    box.serve(box.route(), cors=Cors(enabled=True))

    answer = await server.get("/nope", headers={"origin": PAGE})

    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    ("given", "kept"),
    [("abc-1", True), ("a b", False), ("x" * 129, False), ('a"\\', False)],
)
async def test_a_plain_request_id_is_kept_and_an_odd_one_replaced(server, given, kept):
    answer = await server.get("/livez", headers={"x-request-id": given})

    assert (answer.headers["x-request-id"] == given) is kept
    assert answer.headers["server"] == "lmctl"


async def test_the_log_line_has_what_happened_and_never_the_prompt(server, runner):
    with structlog.testing.capture_logs() as lines:
        await server.chat(headers={"x-request-id": "r1"})

    (line,) = lines
    assert line["ms"] >= 0
    del line["ms"], line["log_level"]
    assert line == {
        "event": "request",
        "method": "POST",
        "path": "/v1/chat/completions",
        "status": 200,
        "request_id": "r1",
        "model": "chat",
        "instance": "chat",
        "prompt_tokens": 7,
        "tokens": 3,
        "finish": "stop",
    }


async def test_prompts_are_logged_when_the_surface_says_so(box, server, runner):
    box.serve(box.route(), logs=Logs(prompts=True))

    with structlog.testing.capture_logs() as lines:
        await server.chat()

    assert lines[0]["prompt"] == [{"role": "user", "content": "one two three"}]


async def test_a_defect_is_a_500_that_tells_only_the_request_id(box, server, runner):
    box.serve(box.route(operation={"llm.prediction.temperature": "hot"}))

    with structlog.testing.capture_logs() as lines:
        answer = await server.chat(headers={"x-request-id": "r7"})

    assert answer.status == 500
    assert (
        answer.json["error"]["message"] == "internal error. Hint: the log has it under request r7"
    )
    assert lines[0]["event"] == "internal error"


@pytest.fixture
async def daemon(box):
    """A unix-socket HTTP server that answers with what it was asked."""
    path = box.folder / "control.sock"

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = [x.split(":")[1] for x in head.lower().split("\r\n") if "content-length" in x]
        body = await reader.readexactly(int(length[0])) if length else b""
        told = json.dumps({"line": head.split("\r\n")[0], "body": body.decode()}).encode()
        writer.write(b"HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\n")
        writer.write(b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(told), told))
        writer.close()

    server = await asyncio.start_unix_server(answer, str(path))
    box.serve(box.route(), control_socket=str(path))
    yield server
    server.close()


async def test_control_requests_reach_the_daemon_whole(server, daemon):
    answer = await server.ask("POST", "/lmctl/v1/reconcile?dry=1", json_body={"x": 1})

    assert answer.status == 202
    assert answer.json["line"].startswith("POST /lmctl/v1/reconcile?dry=1")
    assert json.loads(answer.json["body"]) == {"x": 1}


@pytest.mark.parametrize("path", ["apply", "shutdown", "models/a%20b"])
async def test_what_only_the_owner_may_do_is_not_passed_on_from_tcp(server, daemon, path):
    answer = await server.ask("POST", f"/lmctl/v1/{path}")

    assert answer.status == 403
    assert "use the `lmctl` command" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    ("client", "headers", "status"),
    [
        pytest.param(("127.0.0.1", 5), {}, 202, id="this machine"),
        pytest.param(("::1", 5), {"host": "[::1]:1234"}, 202, id="ipv6"),
        pytest.param(("::ffff:127.0.0.1", 5), {}, 202, id="mapped"),
        pytest.param(None, {"host": "anything"}, 202, id="unix socket"),
        pytest.param(("127.0.0.1", 5), {"origin": "http://localhost:3000"}, 202, id="local page"),
        pytest.param(("10.0.0.9", 5), {}, 403, id="the network"),
        pytest.param(("127.0.0.1", 5), {"origin": PAGE}, 403, id="a page of somewhere else"),
        pytest.param(("127.0.0.1", 5), {"origin": "null"}, 403, id="a page of nowhere"),
        pytest.param(("127.0.0.1", 5), {"host": "evil.example"}, 403, id="a rebound name"),
        pytest.param(("127.0.0.1", 5), {"x-forwarded-for": "10.0.0.9"}, 403, id="a proxy"),
    ],
)
async def test_only_this_machine_is_answered(server, daemon, client, headers, status):
    changed = await server.ask("POST", "/lmctl/v1/reconcile", client=client, headers=headers)
    looked = await server.ask("GET", "/lmctl/v1/status", client=client, headers=headers)

    assert (changed.status, looked.status) == (status, status)


async def test_while_the_daemon_is_down_status_is_what_was_last_known(box, server):
    box.serve(box.route(), control_socket=str(box.folder / "nobody.sock"))
    box.health(chat=("loading", "40 %"))

    status = await server.get("/lmctl/v1/status")
    other = await server.ask("POST", "/lmctl/v1/reconcile")

    assert status.status == 200
    assert status.json["control_plane"] == "down"
    assert status.json["instances"] == [{"name": "chat", "phase": "loading", "reason": "40 %"}]
    assert other.status == 503
    assert other.json["error"]["code"] == "control_plane_down"


async def test_every_field_of_health_is_told_while_the_daemon_is_down(server):
    told = (await server.get("/lmctl/v1/status")).json

    assert set(told) == {"control_plane", *Health.__struct_fields__}
