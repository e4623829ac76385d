"""Whatever a model does, the events follow the grammar of contract 1.6 and add up to the result."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.api.answered import Collector
from lmctl.api.native_chat_writer import NativeChatWriter
from lmctl.base.errors import EngineFailed
from tests.support.answers import answers
from tests.support.native_stream import result_of
from tests.support.sse_frames import frames


def written(writer, events):
    return writer.begin() + b"".join(writer.event(0, each) for each in events)


@given(answers(), st.sampled_from([None, "resp_1"]))
@settings(max_examples=300)
def test_a_stream_is_legal_and_its_end_is_the_whole_answer(events, kept):
    writer, whole = (NativeChatWriter("tiny", lambda: kept) for _ in range(2))
    output, result, failed = result_of(frames(written(writer, events) + writer.end()))
    collector = Collector()
    answer = [done for each in events if (done := collector.add(each))]
    assert result == json.loads(whole.whole(tuple(answer)))
    assert output == result["output"]
    assert result.get("response_id") == kept
    assert failed is None
    assert result["stats"]["tokens_per_second"] == 10


@given(answers(), st.data())
def test_a_stream_that_breaks_off_says_why_and_ends_like_any_other(events, data):
    cut = data.draw(st.integers(0, len(events) - 1))
    writer = NativeChatWriter("tiny", lambda: "resp_1")
    stream = written(writer, events[:cut]) + writer.broken(EngineFailed("it died"))
    output, result, failed = result_of(frames(stream))
    assert failed["type"] == "internal_error"
    assert "response_id" not in result
    whole = [each for each in result["output"] if each["type"] != "invalid_tool_call"]
    assert [each for each in output if each["type"] != "invalid_tool_call"] == whole


def test_trouble_before_anything_was_said_is_a_whole_stream_too():
    writer = NativeChatWriter("tiny", lambda: None)
    output, _, failed = result_of(frames(writer.broken(EngineFailed("it died"))))
    assert (output, failed["message"]) == ([], "it died")
