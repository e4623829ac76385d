"""How likely the model itself found a token, and which others it found likely."""

from collections.abc import Callable

import numpy as np

from lmctl.base.talk import ChosenToken, TokenChoice
from lmctl.runner.choosing import Logits

Piece = Callable[[int], bytes]


class LogProbabilities:
    """Natural logarithms of the probabilities behind some logits, as these are now."""

    def __init__(self, logits: Logits) -> None:
        highest = logits.max()
        everything = np.exp(logits - highest, dtype=np.float64).sum()
        self._all = logits - np.float32(highest + np.log(everything))

    def of(self, token: int, likeliest: int, *, piece: Piece) -> ChosenToken:
        """Return a token's, and those of so many of the likeliest; `piece` tells their bytes."""
        count = min(likeliest, self._all.size)
        top = np.argpartition(self._all, -count)[-count:] if count else np.array([], np.int64)
        ordered = top[np.argsort(-self._all[top], kind="stable")]
        return ChosenToken(
            self._choice(token, piece), tuple(self._choice(int(each), piece) for each in ordered)
        )

    def _choice(self, token: int, piece: Piece) -> TokenChoice:
        return TokenChoice(token, piece(token), float(self._all[token]))
