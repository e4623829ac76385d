"""Calls written as a name, a mark, and the arguments as JSON."""

import re
from typing import Final

from lmctl.chat.formats import Named
from lmctl.chat.parse.calls import Calls
from lmctl.chat.parse.json_calls import stream
from lmctl.chat.parse.source import NotACall, Source, Steps

LONGEST_NAME: Final = 200
_INDEX: Final = re.compile(r":\d+$")


def read(source: Source, body: Named, calls: Calls) -> Steps[None]:
    """Read one call. Raises NotACall when there is none."""
    if not (yield from source.take(body.lead)):
        raise NotACall
    if body.name_after:
        yield from _skip(source, body.name_after)
    name = yield from _name(source, body)
    if body.arguments_after:
        yield from _skip(source, body.arguments_after)
    else:
        yield from source.take_any(body.name_end)
    yield from source.spaces()
    if not (yield from source.ahead("{")) and (yield from source.peek()) not in ("", "<", "["):
        raise NotACall
    calls.begin(name)
    if (yield from source.ahead("{")):
        yield from stream(source, calls)
    else:
        calls.end()
    if body.tail:
        yield from source.spaces()
        yield from source.take(body.tail)


def _name(source: Source, body: Named) -> Steps[str]:
    text = yield from source.until(body.name_end, most=LONGEST_NAME)
    if text is None:
        raise NotACall
    name = _INDEX.sub("", text.strip().removeprefix(body.name_prefix))
    return name


def _skip(source: Source, mark: str) -> Steps[None]:
    if (yield from source.until((mark,), most=LONGEST_NAME)) is None:
        raise NotACall
    source.at += len(mark)
