"""Whatever a model does, the events follow Anthropic's grammar and add up to the whole message."""

import json
import random

from lmctl.api.answered import Collector
from lmctl.api.anthropic_writer import MessagesWriter
from lmctl.base.errors import EngineFailed
from lmctl.base.talk import (
    Finished,
    PromptProgress,
    ReasoningDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)
from tests.support.messages_stream import message_of
from tests.support.sse_frames import frames


def conversation(chance: random.Random):
    """Return the events of one answer, as a runner may send them."""
    events = [PromptProgress(each, 9) for each in range(chance.randrange(3))]
    events.append(Started(9, cached_tokens=chance.randrange(9)))
    calls = 0
    for _ in range(chance.randrange(8)):
        match chance.randrange(3):
            case 0:
                events.append(TextDelta(chance.choice(["a", "ü\u2028", '"', "\n\n"])))
            case 1:
                events.append(ReasoningDelta(chance.choice(["hm", "event: x\n"])))
            case _:
                arguments = chance.choice(['{"a":[1,"é"]}', "{}", "", '{"cut'])
                events.append(ToolCallStarted(calls, f"{calls:09}", "add"))
                if chance.random() < 0.7:
                    middle = chance.randrange(len(arguments) + 1)
                    for piece in (arguments[:middle], arguments[middle:]):
                        if piece:
                            events.append(ToolCallDelta(calls, piece))
                events.append(ToolCallEnded(calls, arguments))
                calls += 1
    reason = chance.choice(["stop", "length", "tool_calls"])
    stop = chance.choice([None, "END"]) if reason == "stop" else None
    events.append(Finished(reason, Usage(9, 5, cached_tokens=3), stop_string=stop))
    return events


def test_a_stream_is_legal_and_adds_up_to_the_whole_message():
    chance = random.Random(41)
    for _ in range(3000):
        events, collector = conversation(chance), Collector()
        writer, whole = MessagesWriter("msg_1", "tiny"), MessagesWriter("msg_1", "tiny")
        data = writer.begin() + b"".join(writer.event(0, each) for each in events) + writer.end()
        answer = [done for each in events if (done := collector.add(each))]
        assert message_of(frames(data)) == json.loads(whole.whole(tuple(answer))), events


def test_a_broken_stream_ends_with_an_error():
    writer = MessagesWriter("msg_1", "tiny")
    data = writer.event(0, Started(9)) + writer.event(0, TextDelta("a"))
    last = frames(data + writer.broken(EngineFailed("it died")))[-1]
    assert last == {"type": "error", "error": {"type": "api_error", "message": "it died"}}
