"""What is refused, and how the refusal names the field."""

import pytest

ADD = {"type": "function", "function": {"name": "add"}}


@pytest.mark.parametrize(
    ("body", "param", "word"),
    [
        pytest.param({"messages": None}, "messages", "an array", id="no messages"),
        pytest.param({"messages": []}, "messages", "at least 1", id="empty messages"),
        pytest.param({"messages": [{"role": "king"}]}, "messages[0].role", "'user'", id="role"),
        pytest.param({"temperature": "hot"}, "temperature", "number", id="temperature"),
        pytest.param({"temperature": -1}, "temperature", "greater", id="negative temperature"),
        pytest.param({"top_p": 1.5}, "top_p", "less than", id="top_p"),
        pytest.param({"max_tokens": 0}, "max_tokens", "-1 for no limit", id="zero tokens"),
        pytest.param({"max_tokens": 1.5}, "max_tokens", "integer", id="half a token"),
        pytest.param({"logit_bias": {"a": 1}}, "logit_bias", "token ids", id="logit bias"),
        pytest.param({"stop": [1]}, "stop[0]", "string", id="stop"),
        pytest.param({"n": 0}, "n", "1", id="no choice"),
        pytest.param({"n": 129}, "n", "128", id="too many choices"),
        pytest.param({"logprobs": 3}, "logprobs", "boolean", id="logprobs"),
        pytest.param({"top_logprobs": 21}, "top_logprobs", "20", id="top_logprobs"),
        pytest.param({"tools": [{"type": "function"}]}, "tools[0].function", "required", id="tool"),
        pytest.param(
            {"tools": [{"type": "web_search"}]}, "tools[0].type", "'function'", id="tool kind"
        ),
        pytest.param({"tools": [ADD, ADD]}, "tools[1].function.name", "two tools", id="same name"),
        pytest.param({"tool_choice": "required"}, "tool_choice", "there is none", id="no tool"),
        pytest.param({"tool_choice": {"type": "f"}}, "tool_choice", "auto", id="tool object"),
        pytest.param(
            {
                "tools": [ADD],
                "tool_choice": {"type": "function", "function": {"name": "sub"}},
            },
            "tool_choice.function.name",
            "no tool named sub",
            id="no such tool",
        ),
        pytest.param({"functions": [{"name": "add"}]}, "functions", "`tools`", id="functions"),
        pytest.param(
            {"response_format": {"type": "yaml"}}, "response_format.type", "'text'", id="format"
        ),
        pytest.param(
            {"response_format": {"type": "json_schema"}},
            "response_format.json_schema.schema",
            "required",
            id="no schema",
        ),
        pytest.param(
            {"grammar": 'root ::= "a"', "response_format": {"type": "json_object"}},
            "grammar",
            "`response_format` and `grammar` both",
            id="two constraints",
        ),
        pytest.param(
            {"structured_outputs": {"structural_tag": "x"}},
            "structured_outputs.structural_tag",
            "not permitted",
            id="structural tag",
        ),
        pytest.param({"reasoning_effort": "on"}, "reasoning_effort", "minimal", id="effort"),
        pytest.param({"preset": "terse"}, "preset", "presets", id="preset"),
        pytest.param(
            {"messages": [{"role": "user", "content": 5}]}, "messages[0].content", "parts", id="5"
        ),
        pytest.param(
            {"messages": [{"role": "user", "content": [{"type": "audio"}]}]},
            "messages[0].content[0]",
            "text",
            id="unknown part",
        ),
        pytest.param(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}],
                    }
                ]
            },
            "messages[0].content[0].image_url.url",
            "base64",
            id="remote image",
        ),
        pytest.param(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "image_url",
                                "image_url": {"url": "data:image/png;base64,AAAA"},
                            }
                        ],
                    }
                ]
            },
            "messages[0].content[0].image_url.url",
            "no picture",
            id="image",
        ),
    ],
)
async def test_a_wrong_field_is_a_400_that_names_it(server, runner, body, param, word):
    answer = await server.chat(**body)

    assert answer.status == 400
    error = answer.json["error"]
    assert list(error) == ["message", "type", "param", "code"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert word in error["message"]
    assert runner.calls == []


async def test_what_asks_for_nothing_and_what_is_unknown_is_fine(server, runner):
    answer = await server.chat(
        n=1,
        tools=[],
        tool_choice="none",
        response_format={"type": "text"},
        logprobs=False,
        top_logprobs=None,
        temperature=None,
        ttl=60,
        reasoning_effort="low",
        something_new={"a": [1]},
    )

    assert answer.status == 200


async def test_a_missing_field_is_said_to_be_required(server, runner):
    answer = await server.ask("POST", "/v1/chat/completions", json_body={"model": "chat"})

    assert answer.json["error"]["param"] == "messages"
    assert answer.json["error"]["message"] == "`messages` is required"


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        pytest.param(b"{nope", "invalid_json", id="broken"),
        pytest.param(b"", "invalid_json", id="empty"),
        pytest.param(b"[1]", None, id="no object"),
    ],
)
async def test_a_body_that_is_no_json_object_is_a_400(server, runner, raw, code):
    answer = await server.ask("POST", "/v1/chat/completions", body=raw)

    assert answer.status == 400
    assert answer.json["error"]["code"] == code


async def test_the_content_type_does_not_matter_unless_it_is_a_form(server, runner):
    body = {"messages": [{"role": "user", "content": "hi"}]}
    odd = {"content-type": "text/plain"}
    form = {"content-type": "multipart/form-data; boundary=x"}

    plain = await server.ask("POST", "/v1/chat/completions", json_body=body, headers=odd)
    multipart = await server.ask("POST", "/v1/chat/completions", json_body=body, headers=form)

    assert plain.status == 200
    assert multipart.status == 415
    assert multipart.json["error"]["code"] == "unsupported_media_type"


async def test_a_body_over_the_limit_is_a_413(box, server, runner):
    from lmctl.planning.surface import Limits

    box.serve(box.route(), limits=Limits(body_size=100))

    answer = await server.chat(user="x" * 100)

    assert answer.status == 413
    assert answer.json["error"]["code"] == "request_too_large"
    assert "bodySize" in answer.json["error"]["message"]


async def test_a_prompt_is_never_repeated_in_an_error(server, runner):
    answer = await server.chat(messages=[{"role": "secret words", "content": "more secrets"}])

    assert b"secret" not in answer.body


async def test_completions_continue_raw_text(server, runner):
    body = {"prompt": ["once upon a"], "max_tokens": 2}
    answer = await server.ask("POST", "/v1/completions", json_body=body)

    assert answer.json["object"] == "text_completion"
    assert answer.json["id"].startswith("cmpl-")
    assert answer.json["choices"] == [
        {"index": 0, "text": "once upon ", "logprobs": None, "finish_reason": "length"}
    ]
    assert runner.calls[0].input.text == "once upon a"


async def test_completions_stream_the_same_object_in_pieces(server, runner):
    body = {"prompt": "a b", "stream": True, "stream_options": {"include_usage": True}}
    answer = await server.ask("POST", "/v1/completions", json_body=body)

    *pieces, usage = answer.events
    assert [each["choices"][0]["text"] for each in pieces] == ["a ", "b", ""]
    assert pieces[-1]["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert {each["object"] for each in answer.events} == {"text_completion"}
    assert answer.data[-1] == "[DONE]"


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", {}]}, "prompt[1]"),
        ({"prompt": ["a"] * 10, "n": 128}, "prompt"),
        ({"prompt": "a", "suffix": "z"}, "suffix"),
        ({"prompt": "a", "echo": True}, "echo"),
        ({"prompt": "a", "best_of": 2}, "best_of"),
        ({"prompt": "a", "logprobs": 21}, "logprobs"),
    ],
)
async def test_completions_refuse_by_name(server, runner, body, param):
    answer = await server.ask("POST", "/v1/completions", json_body=body)

    assert (answer.status, answer.json["error"]["param"]) == (400, param)


@pytest.mark.parametrize("field", ["max_tokens", "top_k"])
async def test_a_number_no_machine_counts_with_is_a_bad_request(server, runner, field):
    answer = await server.chat(**{field: 2**70})
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_request_error")
    assert not runner.calls
