"""Several answers to one request, and how sure the model was of their tokens."""

import pytest


def text_of(answer, index):
    pieces = [
        choice["delta"].get("content", "")
        for event in answer.events
        for choice in event["choices"]
        if choice["index"] == index
    ]
    return "".join(pieces)


async def test_a_chat_gets_as_many_choices_as_it_asks_for(server, runner):
    answer = await server.chat(n=3, seed=7)

    choices = answer.json["choices"]
    assert [each["index"] for each in choices] == [0, 1, 2]
    assert {each["message"]["content"] for each in choices} == {"one two three"}
    usage = answer.json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (
        7,
        9,
    )  # one prompt, counted once
    assert sorted(call.sampling.seed for call in runner.calls) == [7, 8, 9]
    assert len({call.id for call in runner.calls}) == 3


async def test_without_a_seed_every_choice_draws_a_fresh_one(server, runner):
    await server.chat(n=2)

    assert [call.sampling.seed for call in runner.calls] == [None, None]


async def test_choices_are_streamed_side_by_side(server, runner):
    answer = await server.chat(n=2, stream=True, stream_options={"include_usage": True})

    assert [text_of(answer, index) for index in (0, 1)] == ["one two three"] * 2
    ends = [
        (choice["index"], choice["finish_reason"])
        for event in answer.events
        for choice in event["choices"]
        if choice["finish_reason"]
    ]
    assert sorted(ends) == [(0, "stop"), (1, "stop")]
    assert answer.events[-1]["usage"]["completion_tokens"] == 6
    assert answer.data[-1] == "[DONE]"


async def test_completions_answer_several_prompts_several_times(server, runner):
    body = {"prompt": ["a", "b c"], "n": 2}
    answer = await server.ask("POST", "/v1/completions", json_body=body)

    told = [(each["index"], each["text"]) for each in answer.json["choices"]]
    assert told == [(0, "a"), (1, "a"), (2, "b c"), (3, "b c")]
    assert answer.json["usage"]["prompt_tokens"] == 14


@pytest.mark.parametrize("prompt", [[5, 6], [[5, 6]]], ids=["one", "a list of one"])
async def test_a_prompt_may_be_tokens(server, runner, prompt):
    body = {"prompt": prompt}
    runner.behave(text="ok")
    answer = await server.ask("POST", "/v1/completions", json_body=body)

    assert answer.status == 200
    assert runner.calls[0].input.tokens == (5, 6)


async def test_a_chat_hears_how_sure_the_model_was(server, runner):
    answer = await server.chat(logprobs=True, top_logprobs=2, max_tokens=1)

    one = {"token": "one ", "logprob": 0.0, "bytes": [111, 110, 101, 32]}
    assert answer.json["choices"][0]["logprobs"] == {
        "content": [one | {"top_logprobs": [one, one]}],
        "refusal": None,
    }


async def test_in_a_stream_each_piece_says_it_of_its_tokens(server, runner):
    answer = await server.chat(logprobs=True, stream=True)

    told = [event["choices"][0]["logprobs"] for event in answer.events]
    assert [each["content"][0]["token"] for each in told[:-1]] == ["one ", "two ", "three"]
    assert told[0]["content"][0]["top_logprobs"] == []
    assert told[-1] is None


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({}, None),
        ({"logprobs": False, "top_logprobs": 3}, None),
        ({"logprobs": True}, 0),
        ({"top_logprobs": 3}, 3),
    ],
)
async def test_what_is_asked_for_reaches_the_runner(server, runner, body, asked):
    await server.chat(**body)

    assert runner.calls[0].logprobs == asked


async def test_completions_say_where_each_token_begins(server, runner):
    body = {"prompt": "ab cd", "logprobs": 1}
    whole = await server.ask("POST", "/v1/completions", json_body=body)
    stream = await server.ask("POST", "/v1/completions", json_body=body | {"stream": True})

    assert whole.json["choices"][0]["logprobs"] == {
        "tokens": ["ab ", "cd"],
        "token_logprobs": [0.0, 0.0],
        "top_logprobs": [{"ab ": 0.0}, {"cd": 0.0}],
        "text_offset": [0, 3],
    }
    offsets = [event["choices"][0]["logprobs"]["text_offset"] for event in stream.events[:2]]
    assert offsets == [[0], [3]]
