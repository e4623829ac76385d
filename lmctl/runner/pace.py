"""How many tokens of a prompt are read beside those who decode, so that nobody notices much.

A step takes as long as its decoding and its reading together. How long those take is seen in the
steps themselves, so the pace fits the machine, the model and how many are at work.
"""

from typing import Final

STRETCH: Final = 2.4
"""A step with reading may always take so many times as long as one without."""
LEAST: Final = 4
"""Fewer tokens at once are not worth a step. Where even these take longer than the stretch allows,
the streams wait a little longer and the prompt gets on.
"""
UNKNOWN: Final = 16
"""Tokens beside decoding before anything was seen: the first step that shows what they cost."""
_NEW: Final = 0.2  # the part of a new look in an average


class Pace:
    """Learns from each step. `most` is how many tokens one step takes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._decoding = 0.0  # seconds of a step that only decodes
        self._reading = 0.0  # seconds more per token read beside it

    def beside(self, *, decoding: int, reading: int) -> int:
        """How many tokens to read in a step in which so many requests decode and so many read.

        Whoever reads may have an equal share of the engine's time: where many wait to begin and few
        decode, a step may take longer than the stretch, else the many would wait for the few.
        """
        if not self._decoding or not self._reading:
            return min(UNKNOWN, self._most)
        stretch = max(STRETCH, (reading + decoding) / decoding)
        tokens = (stretch - 1) * self._decoding / self._reading
        return max(LEAST, min(int(tokens), self._most))

    def took(self, *, decoding: int, reading: int, seconds: float) -> None:
        """Note how long a step took, in which so many decoded and so many tokens were read."""
        if not decoding or seconds <= 0:
            return
        if not reading:
            self._decoding = _average(self._decoding, seconds)
        elif self._decoding:
            # A step that others were on the machine for may seem to have read in no time.
            more = max(seconds - self._decoding, 0.05 * seconds)
            self._reading = _average(self._reading, more / reading)


def _average(before: float, now: float) -> float:
    return now if not before else before + _NEW * (now - before)
