"""Whatever a runner may send for one answer, for tests of what becomes of it."""

from hypothesis import strategies as st

from lmctl.base.talk import (
    ChosenToken,
    Finished,
    PromptProgress,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenChoice,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)

TEXTS = st.sampled_from(["a", "ü\u2028", '"', "\n\n", "event: x\n", ""])
ARGUMENTS = st.sampled_from(['{"a":[1,"é"]}', "{}", "", '{"cut'])


@st.composite
def calls(draw, index):
    """One call of a tool, its arguments in pieces or at once."""
    arguments = draw(ARGUMENTS)
    cut = draw(st.integers(0, len(arguments)))
    pieces = [each for each in (arguments[:cut], arguments[cut:]) if each]
    told = pieces if draw(st.booleans()) else []
    return [
        ToolCallStarted(index, f"{index:09}", "add"),
        *(ToolCallDelta(index, each) for each in told),
        ToolCallEnded(index, arguments),
    ]


@st.composite
def texts(draw):
    """Text, maybe with the tokens it is made of, and tokens whose text is not out yet."""
    choice = TokenChoice(7, "ü".encode(), -0.5)
    return TextDelta(draw(TEXTS), (ChosenToken(choice, (choice,)),) * draw(st.integers(0, 2)))


@st.composite
def answers(draw):
    """All events of an answer that went well."""
    events = [PromptProgress(each, 9) for each in range(draw(st.integers(0, 2)))]
    events.append(Started(9, cached_tokens=draw(st.integers(0, 9))))
    number = 0
    for kind in draw(st.lists(st.sampled_from(["text", "thought", "call"]), max_size=7)):
        if kind == "call":
            events += draw(calls(number))
            number += 1
        else:
            events.append(draw(texts()) if kind == "text" else ReasoningDelta(draw(TEXTS)))
    reason = draw(st.sampled_from(["stop", "length", "tool_calls"]))
    stop = draw(st.sampled_from([None, "END"])) if reason == "stop" else None
    usage = Usage(9, 5, cached_tokens=3, reasoning_tokens=2)
    return [*events, Finished(reason, usage, stop_string=stop, generation_time=0.5)]
