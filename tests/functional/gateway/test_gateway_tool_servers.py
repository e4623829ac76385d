"""Tools of servers in the native chat and in Responses: offered, called, told to the model, bounded."""

import asyncio
import hashlib
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import falcon.asgi
import falcon.media
import msgspec
import pytest
import uvicorn

from lmctl.adapters.mcp.host import ToolHost
from lmctl.adapters.mcp.targets import LocalTarget
from lmctl.base.errors import LmctlError
from lmctl.daemon.control_asked import tell_error
from lmctl.daemon.control_tools import add_tool_routes
from lmctl.planning.known_models import KnownModel, ModelInstance
from lmctl.planning.surface import Access, ServedToken, ToolRules
from lmctl.planning.wanted_tools import WantedToolServer
from tests.support import tool_server
from tests.support.spoken_calls import calling, saying
from tests.support.sse_frames import frames
from tests.support.tiny_runner import tiny_runner

TINY = "mcp/tiny"
PLUGIN = {"type": "plugin", "plugin_id": TINY}
KEY = "sk-lm-abcdefgh:abcdefghijabcdefghij"


@pytest.fixture(scope="module")
def loop_of_host():
    """A loop in a thread of its own, where the host of the tiny server lives for all tests here."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="module")
def control(loop_of_host, tmp_path_factory):
    """The daemon's part: a host with the tiny server, behind a control socket."""
    folder = tmp_path_factory.mktemp("d")
    path = str(folder / "c.sock")

    async def target(want):
        return LocalTarget(sys.executable, (str(Path(tool_server.__file__)),))

    async def begin():
        host = ToolHost(target, logs=folder, changed=lambda: None)
        host.follow(
            (WantedToolServer("tiny", "tiny", "1"), WantedToolServer("other", "other", "1"))
        )
        app = falcon.asgi.App()
        json = falcon.media.JSONHandler(dumps=msgspec.json.encode, loads=msgspec.json.decode)
        app.req_options.media_handlers[falcon.MEDIA_JSON] = json
        app.resp_options.media_handlers[falcon.MEDIA_JSON] = json
        app.add_error_handler(LmctlError, tell_error)
        add_tool_routes(app, host)
        config = uvicorn.Config(app, uds=path, log_config=None, access_log=False, lifespan="off")
        server = uvicorn.Server(config)
        server.capture_signals = nullcontext
        task = asyncio.create_task(server.serve())
        await host.tools("tiny")
        return host, server, task

    async def end(host, server, task):
        server.should_exit = True
        await task
        await host.close()

    begun = asyncio.run_coroutine_threadsafe(begin(), loop_of_host).result(60)
    yield path
    asyncio.run_coroutine_threadsafe(end(*begun), loop_of_host).result(60)


@pytest.fixture
def serve(box, control):
    def serve_(**rules):
        rules = ToolRules(**{"file": True, "call_timeout": 20.0} | rules)
        box.serve(box.route(), tools=rules, control_socket=control)

    return serve_


@pytest.fixture
async def model(box, serve):
    serve()
    box.health(chat="ready")
    async with tiny_runner(box.socket()) as running:
        yield running


async def chat(server, **body):
    asked = {"model": "chat", "input": "add", "integrations": [TINY]} | body
    return await server.ask("POST", "/api/v1/chat", json_body=asked)


async def respond(server, **body):
    tools = [{"type": "mcp", "server_label": "tiny"}]
    asked = {"model": "chat", "input": "add", "tools": tools} | body
    return await server.ask("POST", "/v1/responses", json_body=asked)


async def test_a_tool_is_called_and_its_answer_told_to_the_model(server, model):
    model.behave(rounds=(calling(("add", '{"a": 1, "b": 2}'), text="Let me see."), saying("three")))
    answer = (await chat(server)).json
    assert answer["output"] == [
        {"type": "message", "content": "Let me see."},
        {
            "type": "tool_call",
            "tool": "add",
            "arguments": {"a": 1, "b": 2},
            "output": '[{"type":"text","text":"3"}]',
            "provider_info": PLUGIN,
        },
        {"type": "message", "content": "three"},
    ]
    assert answer["stats"]["input_tokens"] == 30
    assert answer["stats"]["total_output_tokens"] == 7
    first, second = (each.input for each in model.calls)
    assert "add" in [each.name for each in first.tools]
    assert [each.role for each in second.messages] == ["user", "assistant", "tool"]
    assert second.messages[2].content == "3"
    assert second.messages[2].tool_call_id == second.messages[1].tool_calls[0].id


async def test_every_call_of_a_stream_is_told_whole_before_the_next(server, model):
    calls = (("add", '{"a": 1, "b": 2}'), ("add", '{"a": 3, "b": 4}'))
    model.behave(rounds=(calling(*calls), saying("done")))
    told = frames((await chat(server, stream=True)).body)
    assert [each["type"] for each in told] == [
        "chat.start",
        "prompt_processing.start",
        "prompt_processing.end",
        *("tool_call.start", "tool_call.arguments", "tool_call.success") * 2,
        "prompt_processing.start",
        "prompt_processing.end",
        "message.start",
        "message.delta",
        "message.end",
        "chat.end",
    ]
    assert [each["provider_info"] for each in told if "tool" in each] == [PLUGIN] * 6
    outputs = [each["output"] for each in told if each["type"] == "tool_call.success"]
    assert outputs == ['[{"type":"text","text":"3"}]', '[{"type":"text","text":"7"}]']
    assert [each["type"] for each in told[-1]["result"]["output"]] == [
        "tool_call",
        "tool_call",
        "message",
    ]


@pytest.mark.parametrize(
    ("call", "kind", "reason"),
    [
        (("nope", "{}"), "invalid_name", "there is no tool `nope`"),
        (("add", '{"a": "x", "b": 2}'), "invalid_arguments", "do not fit `add`: `a`"),
        (("add", "[1]"), "invalid_arguments", "are no JSON object"),
    ],
)
async def test_a_call_that_cannot_be_made_is_a_failure_the_model_is_told_of(
    server, model, call, kind, reason
):
    model.behave(rounds=(calling(call), saying("sorry")))
    told = frames((await chat(server, stream=True)).body)
    [failure] = [each for each in told if each["type"] == "tool_call.failure"]
    assert reason in failure["reason"]
    assert failure["metadata"]["type"] == kind
    assert failure["metadata"]["tool_name"] == call[0]
    assert ("provider_info" in failure["metadata"]) == (kind == "invalid_arguments")
    assert told[-1]["result"]["output"][0]["type"] == "invalid_tool_call"
    assert reason in model.calls[1].input.messages[2].content
    assert model.calls[0].input.strangers


async def test_what_tools_show_beside_text_is_told_in_words_to_a_model_that_sees_nothing(
    server, model
):
    model.behave(rounds=(calling(("picture", "{}")), saying("nice")))
    answer = (await chat(server)).json
    parts = msgspec.json.decode(answer["output"][0]["output"])
    assert [each["type"] for each in parts] == ["text", "image", "resource", "resource_link"]
    assert model.calls[1].input.messages[2].content == (
        "a pixel\n[an image, image/png, that this model cannot see]\n[note://one]\na note\n"
        "[two: note://two]"
    )


async def test_the_loop_ends_after_so_many_rounds_and_long_answers_are_cut(server, serve, model):
    serve(rounds=2, max_output=10)
    calls = tuple(calling(("long", f'{{"length": {10 + n}}}')) for n in range(2))
    model.behave(rounds=(*calls, saying("enough")))
    answer = (await chat(server)).json
    assert [each.input.tool_choice.mode for each in model.calls] == ["auto", "auto", "none"]
    assert answer["output"][-1]["content"] == "enough"
    assert "[cut: 10 of 11 bytes are shown]" in answer["output"][1]["output"]


async def test_a_call_that_never_ends_and_a_server_that_dies_are_told_in_time(server, serve, model):
    serve(call_timeout=0.3)
    model.behave(rounds=(calling(("sleep", "{}")), calling(("die", "{}")), saying("well")))
    answer = (await chat(server, integrations=["mcp/other"])).json
    assert "did not answer within 0.3 s" in answer["output"][0]["output"]
    assert "ended" in answer["output"][1]["output"]
    assert answer["output"][-1]["content"] == "well"


async def test_tokens_are_bounded_over_all_rounds(server, model):
    model.behave(rounds=(calling(("add", '{"a": 1, "b": 2}')), saying("three")))
    await chat(server, max_output_tokens=8)
    assert [each.max_tokens for each in model.calls] == [8, 3]
    model.behave(rounds=(calling(("add", '{"a": 1, "b": 2}')),))
    answer = (await chat(server, max_output_tokens=5)).json
    assert [each["type"] for each in answer["output"]] == ["tool_call"]


async def test_a_turn_with_tools_can_be_gone_on_from(server, model):
    model.behave(rounds=(calling(("add", '{"a": 1, "b": 2}')), saying("three")))
    kept = (await chat(server)).json["response_id"]
    await chat(server, input="so?", previous_response_id=kept, integrations=[])
    messages = model.calls[-1].input.messages
    assert [each.role for each in messages] == ["user", "assistant", "tool", "assistant", "user"]
    assert messages[3].content == "three"


async def test_what_tools_take_of_the_prompt_is_told_and_warned_of(server, box, model):
    instance = ModelInstance("chat", "chat", True, "llama.cpp", "1", 400, 1, 512, None, True)
    box.models(KnownModel("acme/tiny", instances=(instance,)))
    only = [{"type": "plugin", "id": TINY, "allowed_tools": ["add"]}]
    light = (await chat(server, integrations=only)).json
    assert light["stats"]["tool_definition_tokens"] == 50
    assert "warnings" not in light
    only[0]["allowed_tools"] = ["add", "die"]
    heavy = (await chat(server, integrations=only)).json
    [warning] = heavy["warnings"]
    assert "2 tools take 100 tokens of every prompt, 25% of the context" in warning
    usage = (await respond(server)).json["usage"]
    assert usage["input_tokens_details"]["tool_definition_tokens"] > 100


async def test_only_allowed_tools_are_offered(server, model):
    only = [{"type": "plugin", "id": TINY, "allowed_tools": ["add"]}]
    await chat(server, integrations=only)
    assert [each.name for each in model.calls[0].input.tools] == ["add"]
    only[0]["allowed_tools"] = ["nope"]
    answer = await chat(server, integrations=only)
    assert answer.status == 400
    assert "`tiny` has no nope" in answer.json["error"]["message"]


async def test_tools_of_two_servers_with_one_name_are_told_apart(server, model):
    model.behave(rounds=(calling(("other_add", '{"a": 1, "b": 2}')), saying("three")))
    answer = (await chat(server, integrations=[TINY, "mcp/other"])).json
    names = [each.name for each in model.calls[0].input.tools]
    assert {"tiny_add", "other_add"} < set(names)
    assert answer["output"][0]["tool"] == "add"
    assert answer["output"][0]["provider_info"]["plugin_id"] == "mcp/other"


MINE = {"type": "ephemeral_mcp", "server_label": "x", "server_url": "http://127.0.0.1/"}


@pytest.mark.parametrize(
    ("integration", "status", "kind", "said"),
    [
        ("mcp/nope", 502, "plugin_connection_error", "no tool server `mcp/nope`"),
        ("tiny", 400, "invalid_request", "expected `mcp/LABEL`"),
        (MINE, 403, "invalid_request", "mcp.allowPerRequest"),
    ],
)
async def test_what_may_not_or_cannot_be_used_is_refused(server, model, integration, status, kind, said):  # fmt: skip
    answer = await chat(server, integrations=[integration], stream=True)
    error = answer.json["error"]
    assert (answer.status, error["type"], error["param"]) == (status, kind, "integrations")
    assert said in error["message"]
    assert not model.calls


@pytest.mark.parametrize("label", ["../status", "tiny/calls", "tiny?x", "tiny#", "Tiny", "", "a b"])
async def test_a_label_leads_to_nothing_but_a_tool_server(server, model, label):
    tools = [{"type": "mcp", "server_label": label}]
    answer = await respond(server, tools=tools)
    assert (answer.status, answer.json["error"]["param"]) == (400, "tools")
    native = await chat(server, integrations=[f"mcp/{label}"])
    assert native.status == 400


async def test_servers_of_mcp_json_are_refused_where_the_server_does_not_allow_them(
    server, serve, model
):
    serve(file=False)
    native, responses = await chat(server), await respond(server)
    assert (native.status, responses.status) == (403, 403)
    assert "mcp.allowFile" in native.json["error"]["message"]
    assert (native.json["error"]["param"], responses.json["error"]["param"]) == (
        "integrations",
        "tools",
    )


@pytest.mark.parametrize(
    ("scopes", "status"), [(("inference",), 403), (("inference", "mcp:local"), 200)]
)
async def test_a_token_needs_the_scope(server, box, control, model, scopes, status):
    token = ServedToken("me", scopes, hashlib.sha256(KEY.encode()).hexdigest())
    box.serve(
        box.route(),
        tools=ToolRules(file=True),
        access=Access(required=True, tokens=(token,)),
        control_socket=control,
    )
    body = {"model": "chat", "input": "hi", "integrations": [TINY]}
    headers = {"authorization": f"Bearer {KEY}"}
    answer = await server.ask("POST", "/api/v1/chat", json_body=body, headers=headers)
    assert answer.status == status
    if status == 403:
        assert "needs the scope `mcp:local`" in answer.json["error"]["message"]


async def test_a_response_lists_the_tools_and_tells_of_calls(server, model):
    model.behave(rounds=(calling(("add", '{"a": 1, "b": 2}')), saying("three")))
    answer = (await respond(server)).json
    lists, call, message = answer["output"]
    assert (lists["type"], lists["server_label"], lists["error"]) == (
        "mcp_list_tools",
        "tiny",
        None,
    )
    assert {"name", "description", "input_schema", "annotations"} == set(lists["tools"][0])
    assert {
        key: call[key] for key in ("type", "server_label", "name", "output", "error", "status")
    } == {
        "type": "mcp_call",
        "server_label": "tiny",
        "name": "add",
        "output": "3",
        "error": None,
        "status": "completed",
    }
    assert message["content"][0]["text"] == "three"
    assert answer["usage"]["total_tokens"] == 37


async def test_a_streamed_response_has_the_same_items(server, model):
    calls = (("add", '{"a": 1, "b": 2}'), ("fail", "{}"))
    model.behave(rounds=(calling(*calls), saying("three")))
    told = frames((await respond(server, stream=True)).body)
    kinds = [each["type"].removeprefix("response.") for each in told]
    assert kinds == [
        "created",
        "in_progress",
        "output_item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "output_item.done",
        *(
            "output_item.added",
            "mcp_call.in_progress",
            "mcp_call_arguments.delta",
            "mcp_call_arguments.done",
        )
        * 2,
        "mcp_call.completed",
        "output_item.done",
        "mcp_call.failed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    done = [each["item"] for each in told if each["type"] == "response.output_item.done"]
    final = told[-1]["response"]["output"]
    assert sorted(done, key=lambda each: each["id"]) == sorted(final, key=lambda each: each["id"])
    assert [each["type"] for each in final] == ["mcp_list_tools", "mcp_call", "mcp_call", "message"]
    assert final[2]["error"] == "Error executing tool fail"


async def test_a_function_of_the_client_ends_the_response(server, model):
    tools = [
        {"type": "mcp", "server_label": "tiny", "allowed_tools": {"tool_names": ["add"]}},
        {"type": "function", "name": "weather", "parameters": {"type": "object"}},
    ]
    model.behave(rounds=(calling(("add", '{"a": 1, "b": 2}'), ("weather", "{}")),))
    first = (await respond(server, tools=tools)).json
    assert [each["type"] for each in first["output"]] == [
        "mcp_list_tools",
        "mcp_call",
        "function_call",
    ]
    output = {
        "type": "function_call_output",
        "call_id": first["output"][2]["call_id"],
        "output": "sunny",
    }
    await respond(server, input=[output], tools=tools, previous_response_id=first["id"])
    messages = model.calls[-1].input.messages
    assert [each.role for each in messages] == ["user", "assistant", "tool", "tool"]
    assert [each.content for each in messages[2:]] == ["3", "sunny"]


async def test_a_response_in_the_background_calls_tools_too(server, model):
    model.behave(rounds=(calling(("add", '{"a": 1, "b": 2}')), saying("three")))
    begun = (await respond(server, background=True)).json
    async with asyncio.timeout(30):
        while (done := (await server.get(f"/v1/responses/{begun['id']}")).json)[
            "status"
        ] != "completed":
            assert done["status"] == "in_progress"
    assert [each["type"] for each in done["output"]] == ["mcp_list_tools", "mcp_call", "message"]
