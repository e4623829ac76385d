"""A client of Anthropic's messages that refuses whatever is out of order (contract 1.20)."""

import json

DELTAS = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}


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
            case other:
                raise AssertionError(other)
    raise AssertionError("no end")


def _fill(block, text):
    if block["type"] != "tool_use":
        block[block["type"]] = text
        return
    try:
        block["input"] = json.loads(text or "{}")
    except json.JSONDecodeError:
        block["input"] = {"arguments": text}
