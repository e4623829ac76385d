"""From token bytes to text that can be shown: whole characters, no part of a stop string."""

import codecs
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Shown:
    """Text that is safe to send, and the stop string that ended it, if one did."""

    text: str
    stop: str | None = None


class TextAssembler:
    """Collects the pieces of one answer.

    What it shows, concatenated, does not depend on how the answer was cut into pieces: the text
    up to where the first completed stop string begins (of two completed by the same character,
    the longer one). Bytes that can never become a character show as U+FFFD.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""

    def push(self, piece: bytes) -> Shown:
        """Take the bytes of one token."""
        self._held += self._decoder.decode(piece)
        found = self._first_stop()
        if found is not None:
            begin, stop = found
            shown, self._held = self._held[:begin], ""
            return Shown(shown, stop)
        keep = self._held_back()
        shown, self._held = (
            self._held[: len(self._held) - keep],
            self._held[len(self._held) - keep :],
        )
        return Shown(shown)

    def finish(self) -> str:
        """Return what was held back, when the answer ends without a stop string.

        A character whose bytes did not all come is left out.
        """
        rest, self._held = self._held, ""
        return rest

    def _first_stop(self) -> tuple[int, str] | None:
        found = [(self._held.find(stop), stop) for stop in self._stops]
        ends = [(begin + len(stop), begin, stop) for begin, stop in found if begin >= 0]
        if not ends:
            return None
        _, begin, stop = min(ends)
        return begin, stop

    def _held_back(self) -> int:
        """How many characters at the end might be the beginning of a stop string."""
        longest = max((len(stop) for stop in self._stops), default=0) - 1
        for size in range(min(longest, len(self._held)), 0, -1):
            tail = self._held[-size:]
            if any(stop.startswith(tail) for stop in self._stops):
                return size
        return 0
