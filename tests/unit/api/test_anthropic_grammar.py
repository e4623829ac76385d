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

DELTAS = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}


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


def frames(data: bytes):
    """Return the events of a stream; each has a name that its data repeats."""
    told = []
    for frame in data.decode().split("\n\n")[:-1]:
        name, payload = frame.split("\n", 1)
        value = json.loads(payload.removeprefix("data: "))
        assert name == f"event: {value['type']}"
        told.append(value)
    return told


def message_of(told):
    """Build the message the way a client does, refusing whatever is out of order."""
    events = iter(told)
    first = next(events)
    assert first["type"] == "message_start"
    message, opened, texts = first["message"], None, []
    assert message["content"] == []
    for event in events:
        match event["type"]:
            case "ping":
                pass
            case "content_block_start":
                assert opened is None
                assert event["index"] == len(message["content"])
                opened, texts = event["content_block"], []
                message["content"].append(opened)
            case "content_block_delta":
                assert opened is not None
                assert event["index"] == len(message["content"]) - 1
                delta = event["delta"]
                assert delta["type"] in DELTAS[opened["type"]]
                texts.append(
                    delta.get("text") or delta.get("thinking") or delta.get("partial_json")
                )
            case "content_block_stop":
                assert opened is not None
                assert event["index"] == len(message["content"]) - 1
                _fill(opened, "".join(each or "" for each in texts))
                opened = None
            case "message_delta":
                assert opened is None
                message |= event["delta"] | {"usage": event["usage"]}
                assert [each["type"] for each in events] == ["message_stop"]
                return message
    raise AssertionError("no end")


def _fill(block, text):
    if block["type"] != "tool_use":
        block[block["type"]] = text
        return
    try:
        block["input"] = json.loads(text or "{}")
    except json.JSONDecodeError:
        block["input"] = {"arguments": text}


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
