"""How many tokens of a prompt are read beside those who decode, so that nobody notices much.

A step takes as long as its decoding and its reading together. How long those take is seen in the
steps themselves, so the pace fits the machine, the model and how many are at work.
"""

from math import sqrt
from typing import Final

STRETCH: Final = 2.2
"""A step in which one request reads may take so many times as long as one without."""
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
        self._decoding: dict[int, float] = {}  # seconds of a step that only decodes, by how many do
        self._reading = 0.0  # seconds more per token read beside it

    def beside(self, *, decoding: int, reading: int) -> int:
        """How many tokens to read in a step in which so many requests decode and so many read.

        Each that reads may take as much of the others' patience as one alone: where many wait to
        begin, wide steps bring all of them to their first token sooner, and waste less.
        """
        usual = self._usual(decoding)
        if not usual or not self._reading:
            return min(UNKNOWN * reading, self._most)
        extra = (STRETCH - 1) * reading * usual
        return max(LEAST, min(int(extra / self._reading), self._most))

    def took(self, *, decoding: int, reading: int, seconds: float) -> None:
        """Note how long a step took, in which so many decoded and so many tokens were read."""
        if not decoding or seconds <= 0:
            return
        if not reading:
            self._decoding[decoding] = _average(self._decoding.get(decoding, 0.0), seconds)
        elif usual := self._usual(decoding):
            # A step that others were on the machine for may seem to have read in no time.
            more = max(seconds - usual, 0.05 * seconds)
            self._reading = _average(self._reading, more / reading)

    def _usual(self, decoding: int) -> float:
        """Return how long a step of so many takes: as seen, else as of the next number that was seen.

        While prompts are read no step only decodes, so most numbers are not seen for a while. A step
        of more takes longer, but not as many times as long: by about the root (measured).
        """
        if not self._decoding:
            return 0.0
        nearest = min(self._decoding, key=lambda number: abs(number - decoding))
        return self._decoding[nearest] * sqrt(decoding / nearest)


def _average(before: float, now: float) -> float:
    return now if not before else before + _NEW * (now - before)
