"""Speculative decoding of one answer: how far to guess ahead, what came of it, whether it pays.

What guessing costs and saves depends on the model, the text, the machine and who else is at work, so
it is measured and not foreseen. While it does not pay, it rests; after each rest in vain the next
one is longer.
"""

from dataclasses import dataclass, field
from typing import Final

from lmctl.base.errors import BadRequest
from lmctl.base.spec import PROMPT_LOOKUP, LoadSettings
from lmctl.base.talk import Drafted, Drafting

USUAL_MOST: Final = 15
USUAL_MOST_OF_MODEL: Final = 3
"""Tokens per guess where nobody says: a model's are worth less the further they are ahead. With the
token before them both make a number that is computed in whole rows (`Facts.rows_at_once`).
"""

LEAST_MEASURED: Final = 4
"""Steps with guesses that are waited for before they are judged."""
BETTER: Final = 1.1
"""How much faster guessing must be, to go on after a trial. Once it goes on, as fast is enough."""
REST: Final = 16
"""Steps without a guess after a trial that did not pay: twice as many after the next one."""
LONGEST_REST: Final = 512
_REMEMBERED: Final = 0.9  # of what was measured, from one step to the next


@dataclass(slots=True)
class Guessing:
    """How one answer guesses. `most` and `least` are tokens per guess; a draft model stops where it
    finds nothing more likely than `least_probability`.
    """

    drafter: str
    most: int
    least: int = 0
    least_probability: float = 0.0
    total: int = 0
    accepted: int = 0
    rejected: int = 0
    ignored: int = 0
    _length: int = field(init=False)
    _rest: int = 0
    _next_rest: int = REST
    _measured: int = 0
    _saved: float = 0.0
    _spent: float = 0.0
    _pays: bool = False

    def __post_init__(self) -> None:
        self._length = self.most

    def length(self) -> int:
        """Return how many tokens to guess in this step; 0 while it rests."""
        if self._rest:
            self._rest -= 1
            return 0
        return self._length

    def ignore(self, guessed: int) -> None:
        """Count guessed tokens that were not worth a check."""
        self.total += guessed
        self.ignored += guessed

    def settle(self, guessed: int, chosen: int, *, seconds: float, usual: float) -> None:
        """Take what became of a guess: so many tokens were `chosen`, all but the last as guessed.

        It took `seconds`, and one token alone usually takes `usual`.
        """
        right = chosen - 1
        self.total += guessed
        self.accepted += right
        self.rejected += guessed - right
        # Short guesses are dear: matrices are multiplied several rows at once or one by one.
        self._length = min(self.most, max(2 * (right + 1), self._length // 2))
        self._judge(chosen * usual, seconds)

    def told(self, untaken: int) -> Drafted:
        """Return the counts of an answer that ended `untaken` tokens before the last one chosen."""
        early = max(0, untaken - 1)  # as guessed, and right: the last one chosen was no guess
        return Drafted(
            drafter=self.drafter,
            total=self.total,
            accepted=self.accepted - early,
            rejected=self.rejected,
            ignored=self.ignored + early,
        )

    def _judge(self, saved: float, spent: float) -> None:
        self._measured += 1
        self._saved = self._saved * _REMEMBERED + saved
        self._spent = self._spent * _REMEMBERED + spent
        if self._measured < LEAST_MEASURED:
            return
        if self._saved >= self._spent * (1.0 if self._pays else BETTER):
            self._pays, self._next_rest = True, REST
            return
        self._rest, self._next_rest = self._next_rest, min(2 * self._next_rest, LONGEST_REST)
        self._pays, self._measured, self._saved, self._spent = False, 0, 0.0, 0.0


def guessing_of(asked: Drafting, load: LoadSettings, *, can_cut: bool) -> Guessing | None:
    """Return how tokens are guessed for a call: as it asks, else as the instance is set; None for
    not at all. `can_cut` is whether the model can forget what was guessed wrong.

    Raises BadRequest when the call names a drafter that is not there.
    """
    name = load.drafter if asked.model is None else asked.model
    if asked.draft is False or not name:
        return None
    _check(name, load, can_cut=can_cut)
    own = name == load.drafter
    usual = USUAL_MOST if name == PROMPT_LOOKUP else USUAL_MOST_OF_MODEL
    most = (own and load.draft_most) or usual
    probability = load.draft_least_probability if own else 0.0
    return Guessing(
        name,
        most=most if asked.most is None else asked.most,
        least=(load.draft_least if own else 0) if asked.least is None else asked.least,
        least_probability=probability
        if asked.least_probability is None
        else asked.least_probability,
    )


def _check(name: str, load: LoadSettings, *, can_cut: bool) -> None:
    known = [PROMPT_LOOKUP, *({load.drafter} - {"", PROMPT_LOOKUP})]
    if name not in known:
        raise BadRequest(
            f"draft_model: this instance has no draft model {name!r} loaded",
            param="draft_model",
            hint=f"known: {', '.join(known)}; `load.speculativeDraftModel` of the instance adds one",
        )
    if not can_cut:
        raise BadRequest(
            "draft_model: this model keeps a state that no token can be taken out of again, so"
            " none can be drafted for it",
            param="draft_model",
            hint="leave it out",
        )
