"""How many tokens of a prompt are read beside those who decode, so that nobody notices much.

A step takes as long as its decoding and its reading together. How long those take is seen in the
steps themselves, so the pace fits the machine, the model and how many are at work.
"""

from collections.abc import Sequence
from itertools import accumulate
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
PATIENCE: Final = 0.5
"""Seconds that the others may wait once for each whose whole prompt is read in one step."""
LONGEST: Final = 2.0
"""Seconds that they wait at most at once, however many begin."""
FORGIVEN: Final = 0.1
"""The part of the time in which what they have waited is forgotten."""
_NEW: Final = 0.2  # the part of a new look in an average


class Pace:
    """Learns from each step. `most` is how many tokens one step takes; `rows` of them are computed
    together, so that one more costs as much as so many.
    """

    def __init__(self, most: int, *, rows: int = 1) -> None:
        self._most = most
        self._rows = rows
        self._decoding: dict[int, float] = {}  # seconds of a step that only decodes, by how many do
        self._reading = 0.0  # seconds more per token read beside it, in pieces
        self._at_once = 0.0  # the same per token of whole prompts
        self._waited = 0.0  # seconds that streams waited for whole prompts, as far as not forgiven
        self._whole = False

    def beside(self, *, decoding: int, left: Sequence[int]) -> int:
        """How many tokens to read in a step in which so many requests decode and others have so many
        tokens `left` to read each, first come first served.

        Each that reads may take as much of the others' patience as one alone: where many wait to
        begin, wide steps bring all of them to their first token sooner, and waste less.
        """
        paced = self._paced(decoding, len(left))
        whole = self._whole_prompts(left)
        self._whole = whole > paced
        return min(max(whole, paced), self._most)

    def _paced(self, decoding: int, reading: int) -> int:
        usual = self._usual(decoding)
        if not usual or not self._reading:
            return self._in_rows(decoding, UNKNOWN * reading)
        extra = (STRETCH - 1) * reading * usual
        return max(LEAST, self._in_rows(decoding, int(extra / self._reading)))

    def _in_rows(self, decoding: int, reading: int) -> int:
        return reading - (decoding + reading) % self._rows if reading >= self._rows else reading

    def _whole_prompts(self, left: Sequence[int]) -> int:
        """How many tokens the first prompts have that are not worth pieces: read at once they take
        less time in all, and the others have not waited for such lately.
        """
        seconds = min(PATIENCE * len(left), LONGEST) - self._waited
        fit = seconds / self._at_once if self._at_once else 0.0
        return max(total for total in accumulate(left, initial=0) if total <= fit or not total)

    def took(self, *, decoding: int, reading: int, seconds: float) -> None:
        """Note how long a step took, in which so many decoded and so many tokens were read."""
        if seconds <= 0:
            return
        self._waited = max(0.0, self._waited - FORGIVEN * seconds) if decoding else 0.0
        usual = self._usual(decoding) if decoding else 0.0
        # A step that others were on the machine for may seem to have read in no time.
        more = max(seconds - usual, 0.05 * seconds)
        if not reading:
            self._decoding[decoding] = _average(self._decoding.get(decoding, 0.0), seconds)
        elif not decoding or self._whole:
            self._waited += more if decoding else 0.0
            if reading >= UNKNOWN:
                self._at_once = _average(self._at_once, more / reading)
        elif usual:
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
