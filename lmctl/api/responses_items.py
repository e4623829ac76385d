"""What a request to `/v1/responses` brings, in our own words and as items with ids (contract 1.19)."""

from collections.abc import Iterator
from typing import Any, Final

from lmctl.api import images
from lmctl.base import talk
from lmctl.base.errors import BadRequest

CALL_PREFIX: Final = "call_"
_TEXT_PARTS: Final = frozenset(
    {"input_text", "output_text", "text", "summary_text", "reasoning_text"}
)
_ROLES: Final = frozenset({"system", "developer", "user", "assistant"})


def messages_of(asked: Any) -> tuple[talk.Message, ...]:
    """Return the input as turns: what an assistant thought, said and called is one of them.

    Raises BadRequest naming the item that is wrong.
    """
    if asked is None or isinstance(asked, str):
        return (talk.Message(role="user", content=asked),) if asked else ()
    if not isinstance(asked, list):
        raise BadRequest("`input` should be a string or a list of items", param="input")
    turns = tuple(_turns(asked))
    images.check(turns, param="input")
    return turns


def _turns(items: list[Any]) -> Iterator[talk.Message]:
    spoken = _Spoken()
    for number, item in enumerate(items):
        place = f"input[{number}]"
        if spoken.take(item, place):
            continue
        yield from spoken.turn()
        yield _other(item, place)
    yield from spoken.turn()


def _other(item: Any, place: str) -> talk.Message:
    """Return an item that is not the assistant's as a turn."""
    match item:
        case {"type": "function_call_output", "call_id": str(call), "output": output}:
            content = _text(output, f"{place}.output")
            return talk.Message(role="tool", content=content, tool_call_id=_plain(call))
        case {"role": ("user" | "system" | "developer") as role, "content": content}:
            if role == "user":
                return talk.Message(role="user", content=_content(content, f"{place}.content"))
            return talk.Message(role="system", content=_text(content, f"{place}.content"))
        case {"role": str(role)} if role not in _ROLES:
            raise BadRequest(f"`{place}.role`: there is no role {role}", param=f"{place}.role")
    raise BadRequest(f"`{place}` is no item this version reads", param=place)


class _Spoken:
    """What the assistant did last, until somebody else speaks."""

    def __init__(self) -> None:
        self._thoughts: list[str] = []
        self._texts: list[str] = []
        self._calls: list[talk.ToolCall] = []

    def take(self, item: Any, place: str) -> bool:
        """Add an item and say whether it is the assistant's."""
        match item:
            case {"type": "reasoning"}:
                for name in ("content", "summary"):
                    if item.get(name):
                        self._thoughts.append(_text(item[name], f"{place}.{name}"))
                        break
            case {"type": "function_call", "call_id": str(call), "name": str(name)}:
                arguments = item.get("arguments")
                given = arguments if isinstance(arguments, str) else "{}"
                self._calls.append(talk.ToolCall(_plain(call), name, given))
            case {"role": "assistant", "content": content}:
                self._texts.append(_text(content, f"{place}.content"))
            case _:
                return False
        return True

    def turn(self) -> Iterator[talk.Message]:
        """Yield the turn there is, at most one, and begin anew."""
        if self._thoughts or self._texts or self._calls:
            yield talk.Message(
                role="assistant",
                content="".join(self._texts),
                reasoning="".join(self._thoughts) or None,
                tool_calls=tuple(self._calls),
            )
        self._thoughts, self._texts, self._calls = [], [], []


def _text(content: Any, place: str) -> str:
    return "".join(_part(part, where) for where, part in _parts(content, place))


def _content(content: Any, place: str) -> talk.Content:
    """Return what a user says, images included."""
    return images.content(
        images.from_url(part.get("image_url"), f"{where}.image_url")
        if isinstance(part, dict) and part.get("type") == "input_image"
        else _part(part, where)
        for where, part in _parts(content, place)
    )


def _parts(content: Any, place: str) -> list[tuple[str, Any]]:
    if isinstance(content, str):
        return [(place, {"type": "input_text", "text": content})]
    if not isinstance(content, list):
        raise BadRequest(f"`{place}` should be a string or a list of parts", param=place)
    return [(f"{place}[{number}]", part) for number, part in enumerate(content)]


def _part(part: Any, place: str) -> str:
    match part:
        case {"type": kind, "text": str(text)} if kind in _TEXT_PARTS:
            return text
        case {"type": "refusal", "refusal": str(text)}:
            return text
        case {"type": "input_image"}:
            raise BadRequest(f"`{place}`: only a user's turn can have images", param=place)
    raise BadRequest(f"`{place}` is no part this version reads", param=place)


def stored_items(asked: Any, turn_id: str) -> list[dict[str, Any]]:
    """Return the input as the items it can be listed as later, each with an id."""
    said = [{"role": "user", "content": asked}] if isinstance(asked, str) else asked or []
    return [
        _listed(item, f"{turn_id.removeprefix('resp_')[:40]}{n:04x}") for n, item in enumerate(said)
    ]


def _listed(item: dict[str, Any], number: str) -> dict[str, Any]:
    kind = item.get("type") or "message"
    prefix = {"function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}.get(
        kind, "msg"
    )
    listed = {"id": f"{prefix}_{number}", "type": kind, "status": "completed"} | item
    content = listed.get("content")
    if kind == "message" and isinstance(content, str):
        text = "output_text" if listed["role"] == "assistant" else "input_text"
        more: dict[str, Any] = {"annotations": []} if text == "output_text" else {}
        listed["content"] = [{"type": text, "text": content} | more]
    return listed


def _plain(call_id: str) -> str:
    """Return the id the runner gave a call."""
    return call_id.removeprefix(CALL_PREFIX)
