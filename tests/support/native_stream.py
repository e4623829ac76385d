"""A client of the native chat that refuses whatever is out of order (contract 1.6)."""

SECTIONS = ("prompt_processing", "reasoning", "message")


def result_of(told):
    """Return the output a client puts together, the result that ends the stream, and the error there
    was, if any.
    """
    assert told[0].keys() == {"type", "model_instance_id"}
    assert told[0]["type"] == "chat.start"
    output, section, failed, read = [], "prompt_processing", None, False
    assert told[1]["type"] == "prompt_processing.start"
    for event in told[2:-1]:
        kind, _, moment = event["type"].partition(".")
        if kind == "error":
            assert section is None
            failed = event["error"]
        elif kind == "tool_call":
            assert read
            assert section is None
            output += _call(moment, event)
        elif moment == "start":
            assert read
            assert section is None
            section = kind
            assert kind in SECTIONS[1:]
            output.append({"type": kind, "content": ""})
        elif moment == "end":
            assert section == kind
            section, read = None, True
        else:
            assert section == kind
            if kind == "prompt_processing":
                assert moment == "progress"
                assert 0 <= event["progress"] <= 1
            else:
                output[-1]["content"] += event["content"]
    assert (section, read) == (None, True)
    assert told[-1]["type"] == "chat.end"
    return output, told[-1]["result"], failed


def _call(moment, event):
    match moment:
        case "start":
            assert set(event) == {"type", "tool"}
        case "arguments":
            assert isinstance(event["arguments"], dict)
        case "failure":
            told = {"reason": event["reason"], "metadata": event["metadata"]}
            return [{"type": "invalid_tool_call", **told}]
    return []
