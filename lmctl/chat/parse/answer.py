"""An answer with marks in it: thoughts, calls, and everything else."""

from collections.abc import Callable

from lmctl.base.talk import Event, ReasoningDelta, TextDelta
from lmctl.chat.formats import Braced, Format, Frame, Json, Named, Pythonic, Tagged, Thought
from lmctl.chat.parse import braced_calls, json_calls, named_calls, python_calls, tagged_calls
from lmctl.chat.parse.calls import Calls
from lmctl.chat.parse.source import NotACall, Source, Steps


class Answer:
    """Reads one answer. A thought may begin only at the start of the answer, or where a thought
    or a call has just ended: the same mark elsewhere is something the model talks about.

    `inside` says that the prompt has already opened a thought; not `separate` leaves thoughts in
    the text, with their marks.
    """

    def __init__(
        self,
        source: Source,
        calls: Calls,
        emit: Callable[[Event], None],
        *,
        formats: tuple[Format, ...] = (),
        thought: Thought | None = None,
        inside: bool = False,
        separate: bool = True,
    ) -> None:
        self._source = source
        self._calls = calls
        self._emit = emit
        self._thought = thought
        self._inside = inside
        self._separate = separate
        self._opens = tuple(mark for each in formats for mark in each.opens)
        self._closes = tuple(mark for each in formats for mark in each.closes)
        self._results = tuple(mark for each in formats for mark in each.results)
        self._drops = thought.drops if thought else ()
        frames = tuple(frame for each in formats for frame in each.frames)
        self._framed = tuple(frame for frame in frames if frame.begin)
        self._bare = tuple(frame for frame in frames if not frame.begin)
        begins = tuple(frame.begin for frame in self._framed)
        self._stops = tuple(dict.fromkeys((*begins, *self._opens, *self._drops)))
        self._fresh = True  # nothing was said since the start, a thought or a call
        self._first = True
        self.thinking = inside
        self.over = False

    def read(self) -> Steps[None]:
        """Read to the end, or until no further call is allowed."""
        if self._inside and self._thought is not None:
            yield from self._think(self._thought)
        while (yield from self._source.peek()) and not self.over:
            yield from self._turn()
            if not self.over:
                yield from self._source.flow(self._stops, self._say)

    def _turn(self) -> Steps[None]:
        """Read thoughts and calls as long as nothing but space and marks is between them."""
        source = self._source
        source.forget()
        begin = source.at
        opened = False
        while not self.over:
            yield from source.spaces()
            if (yield from source.take_any(self._opens)):
                opened = True
                continue
            if not (yield from self._structure(opened=opened)):
                break
            begin = source.at
        else:
            return
        if any(source.begins(mark) for mark in self._stops):
            source.at += 1  # the mark begins nothing here: it is text like any other
        passed = source.since(begin)
        self._say(passed if self._first or not self._fresh else passed.lstrip())

    def _structure(self, *, opened: bool) -> Steps[bool]:
        """Read what is no text of the answer, if it comes next: a thought, a call, a mark."""
        source, thought = self._source, self._thought
        if self._fresh and thought is not None and (yield from source.take(thought.begin)):
            yield from self._think(thought)
            return True
        after_call = self._fresh and self._calls.made > 0
        if after_call and (yield from self._after_call()):
            return True
        if (yield from source.take_any(self._drops)):
            return True
        bare = self._bare if self._fresh or opened else ()
        return (yield from self._call((*self._framed, *bare)))

    def _after_call(self) -> Steps[bool]:
        """Read a mark that closes all calls, or that ends the answer."""
        if (yield from self._source.take_any(self._results)):
            self.over = True
        return self.over or bool((yield from self._source.take_any(self._closes)))

    def _call(self, frames: tuple[Frame, ...]) -> Steps[bool]:
        """Read a call, if one comes next; its text is given back when it is none."""
        begin = self._source.at
        for frame in frames:
            try:
                if frame.begin and not (yield from self._source.take(frame.begin)):
                    continue
                yield from self._body(frame)
            except NotACall:
                self._source.at = begin
                continue
            yield from self._end(frame)
            self._fresh, self._first, self.over = True, False, self._calls.over
            return True
        return False

    def _body(self, frame: Frame) -> Steps[None]:
        source, calls = self._source, self._calls
        calls.strangers = frame in calls.own
        match frame.body:
            case Json():
                yield from json_calls.read(source, frame.body, calls)
            case Named():
                yield from named_calls.read(source, frame.body, calls)
            case Tagged():
                yield from tagged_calls.read(source, frame.body, calls)
            case Pythonic():
                yield from python_calls.read(source, calls)
            case Braced():
                yield from braced_calls.read(source, frame.body, calls)

    def _end(self, frame: Frame) -> Steps[None]:
        if not frame.end or self._calls.over:
            return
        here = self._source.at
        yield from self._source.spaces()
        if not (yield from self._source.take(frame.end)):
            self._source.at = here

    def _think(self, thought: Thought) -> Steps[None]:
        """Read a thought; its opening mark is behind."""
        self.thinking = True
        if self._separate:
            yield from self._source.spaces()
        else:
            self._emit(TextDelta(thought.begin))
        mark = yield from self._source.flow((thought.end,), self._ponder, trim=self._separate)
        self._source.at += len(mark)
        self.thinking = False
        if mark and not self._separate:
            self._emit(TextDelta(mark))
        self._first = not self._separate

    def _ponder(self, text: str) -> None:
        self._emit(ReasoningDelta(text) if self._separate else TextDelta(text))

    def _say(self, text: str) -> None:
        if text:
            self._fresh = self._first = False
            self._emit(TextDelta(text))
