"""Whatever a model does, the events follow the order of contract 1.19 and add up to the response."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.api.answered import Collector
from lmctl.api.responses_shape import ResponseShape
from lmctl.api.responses_writer import ResponsesWriter
from lmctl.base.errors import EngineFailed
from lmctl.base.talk import Finished, TextDelta, ToolCallDelta, ToolCallStarted, Usage
from tests.support.answers import answers
from tests.support.responses_stream import Client
from tests.support.sse_frames import frames

ID = "resp_" + "0123456789ab" * 4


def writer_of(**echo):
    return ResponsesWriter(ResponseShape(ID, {"store": True, **echo}), "tiny")


def written(writer, events):
    return writer.begin() + b"".join(writer.event(0, each) for each in events)


@given(answers())
@settings(max_examples=300)
def test_a_stream_is_legal_and_adds_up_to_the_whole_response(events):
    writer, whole, client = writer_of(), writer_of(), Client()
    last = client.read(frames(written(writer, events) + writer.end()))
    collector = Collector()
    answer = [done for each in events if (done := collector.add(each))]
    times = {"created_at": 0, "completed_at": 0}
    assert last | times == json.loads(whole.whole(tuple(answer))) | times
    assert client.items == last["output"]
    assert client.failure is None
    cut = events[-1].reason == "length"
    assert last["status"] == ("incomplete" if cut else "completed")
    assert len({each["id"] for each in client.items}) == len(client.items)


@given(answers(), st.data())
def test_a_stream_that_breaks_off_says_why_and_fails(events, data):
    cut = data.draw(st.integers(0, len(events) - 1))
    writer, client = writer_of(), Client()
    last = client.read(
        frames(written(writer, events[:cut]) + writer.broken(EngineFailed("it died")))
    )
    assert (last["status"], client.failure) == ("failed", "it died")
    assert last["error"] == {"code": "engine_failed", "message": "it died"}
    assert last["output"][: len(client.items)] == client.items


def test_arguments_that_came_at_once_are_one_delta():
    events = [
        ToolCallStarted(0, "000000001", "add"),
        ToolCallDelta(0, '{"a"'),
        ToolCallDelta(0, ":1}"),
    ]
    told = frames(written(writer_of(), events))
    assert [each["delta"] for each in told if each["type"].endswith("arguments.delta")] == [
        '{"a"',
        ":1}",
    ]
    assert told[2]["item"]["call_id"] == "call_000000001"


def test_the_fields_stand_in_the_order_of_the_contract():
    finished = Finished("length", Usage(3, 2, cached_tokens=1))
    writer = writer_of(temperature=0.5)
    written(writer, [TextDelta("a"), finished])
    response = frames(writer.end())[0]["response"]
    assert list(response)[:6] == [
        "id",
        "object",
        "created_at",
        "completed_at",
        "status",
        "incomplete_details",
    ]
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert response["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 5,
    }
