"""What a model says in a round: text, and calls of tools, as the runner tells it."""

from lmctl.base.talk import (
    Event,
    Finished,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallEnded,
    ToolCallStarted,
    Usage,
)


def calling(*calls: tuple[str, str], text: str = "") -> tuple[Event, ...]:
    """A round that ends with calls: pairs of a name and arguments."""
    told: list[Event] = [Started(10), *([TextDelta(text)] if text else [])]
    for number, (name, arguments) in enumerate(calls):
        told += [
            ToolCallStarted(number, f"{number}{abs(hash(arguments)) % 10**8:08}", name),
            ToolCallDelta(number, arguments),
            ToolCallEnded(number, arguments),
        ]
    return (*told, Finished("tool_calls", Usage(10, 5), time_to_first_token=0.1))


def saying(text: str) -> tuple[Event, ...]:
    """A round that ends with words."""
    return (Started(20), TextDelta(text), Finished("stop", Usage(20, 2, cached_tokens=10)))
