"""An answer in messages with headers, as gpt-oss writes it: each is a thought, a call or text."""

import re
from collections.abc import Callable
from typing import Final

from lmctl.base.talk import Event, ReasoningDelta, TextDelta
from lmctl.chat.formats import Channels
from lmctl.chat.parse.calls import Calls
from lmctl.chat.parse.json_calls import stream
from lmctl.chat.parse.source import Source, Steps

_RECIPIENT: Final = re.compile(r"\bto=([\w.-]+)")
_LONGEST_HEADER: Final = 400


class ChannelAnswer:
    """Reads one answer whose prompt ended where a header goes on."""

    def __init__(
        self,
        source: Source,
        calls: Calls,
        emit: Callable[[Event], None],
        *,
        marks: Channels,
        separate: bool = True,
    ) -> None:
        self._source = source
        self._calls = calls
        self._emit = emit
        self._marks = marks
        self._separate = separate
        self._borders = (*marks.ends, marks.start, marks.channel)
        self.thinking = False

    @property
    def over(self) -> bool:
        """Whether nothing that may follow is wanted."""
        return self._calls.over

    def read(self) -> Steps[None]:
        """Read to the end, or until no further call is allowed."""
        while not self._calls.over:
            header = yield from self._next_header()
            yield from self._message(header)
            if not (yield from self._source.peek()):
                return

    def _next_header(self) -> Steps[str]:
        """Return the header that comes next, empty where text stands without one."""
        source, marks = self._source, self._marks
        source.forget()
        while (yield from source.take_any((*marks.ends, marks.start))):
            pass
        begin = source.at
        passed = ""
        if (yield from self._has_header()):
            found = yield from source.until((marks.message,), most=_LONGEST_HEADER)
            if found is not None:
                source.at += len(marks.message)
                return found
            source.at += 1
            passed = source.since(begin)
        self._say(passed)
        return ""

    def _has_header(self) -> Steps[bool]:
        for mark in (self._marks.channel, self._marks.message, "assistant", " to=", "to="):
            if (yield from self._source.ahead(mark)):
                return True
        return False

    def _message(self, header: str) -> Steps[None]:
        channel = header.partition(self._marks.channel)[2]
        recipient = _RECIPIENT.search(header)
        if recipient and (yield from self._call(recipient.group(1))):
            return
        if channel.split()[:1] == [self._marks.thought]:
            yield from self._think()
        else:
            yield from self._source.flow(self._borders, self._say)

    def _call(self, recipient: str) -> Steps[bool]:
        """Read a call, if there is a tool of this name and the message is JSON."""
        name = recipient.removeprefix(self._marks.recipient_prefix)
        begin = self._source.at
        yield from self._source.spaces()
        if name not in self._calls.names() or not (yield from self._source.ahead("{")):
            self._source.at = begin
            return False
        self._calls.begin(name)
        yield from stream(self._source, self._calls)
        yield from self._source.spaces()
        return True

    def _think(self) -> Steps[None]:
        self.thinking = True
        if not self._separate:
            self._say("<think>")
        emit = self._ponder if self._separate else self._say
        mark = yield from self._source.flow(self._borders, emit)
        self.thinking = False
        if mark and not self._separate:
            self._say("</think>")

    def _ponder(self, text: str) -> None:
        self._emit(ReasoningDelta(text))

    def _say(self, text: str) -> None:
        if text:
            self._emit(TextDelta(text))
