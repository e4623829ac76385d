"""Which tokens of a vocabulary may come next in a text that follows a grammar: the door to llguidance.

A grammar is compiled once for a vocabulary; each answer then has a state of its own. The library
never raises for what a grammar does: it falls silent and allows the end. So every use looks at its
errors. Compiling and filling a mask leave the interpreter to other threads.
"""

import json
import re
from array import array
from collections.abc import Sequence
from typing import Final, TypeAlias

from llguidance import LLMatcher, LLTokenizer, TokenizerWrapper, regex_to_lark

_SILENT: Final = 0
# Where a grammar leaves no choice the library would ask Python for the tokens of what is forced, in
# the midst of a mask; and what is forced without an end it would follow for ever. It stands last,
# so that the lines of a grammar keep their numbers.
_UNFORCED: Final = '\n%llguidance {"no_forcing": true}\n'
_WORD: Final = "I"
_WORD_BITS: Final = 32
_PLACE: Final = re.compile(r"(?:at )?\d+\(\d+\): ")
_CLOSING: Final = b'}]",:0987654321ntf'
_REASON: Final = re.compile(r"^error: (.+)$", re.MULTILINE)

Words: TypeAlias = "array[int]"


class BadGrammar(Exception):
    """The library cannot follow a grammar; it says why in its own words."""


class Vocabulary:
    """The tokens of a model, as the library wants them.

    `pieces` are the bytes of each token, none for those that are no text; `ends` are the tokens that
    end an answer.
    """

    def __init__(self, pieces: Sequence[bytes], ends: Sequence[int]) -> None:
        tokenizer = TokenizerWrapper(_Tokenizer(pieces, ends))
        self._tokens = LLTokenizer(tokenizer, eos_token=list(ends))
        self._size = -(-len(pieces) // _WORD_BITS)
        self._closing = Closing(pieces, ends)

    def compile(self, lark: str) -> "State":
        """Return the state of a text not begun that follows a Lark grammar. Raises BadGrammar.

        Takes about a millisecond, a second for the largest grammars.
        """
        grammar = json.dumps({"grammars": [{"lark_grammar": lark + _UNFORCED}]})
        matcher = LLMatcher(self._tokens, grammar, log_level=_SILENT)
        if matcher.is_error():
            raise BadGrammar(_first_words(matcher.get_error()))
        words = array(_WORD, bytes(self._size * _WORD_BITS // 8))
        return State(matcher, words, self._closing)


class Closing:
    """The tokens that bring a text to its end, in the order they are tried."""

    def __init__(self, pieces: Sequence[bytes], ends: Sequence[int]) -> None:
        single = {piece: token for token, piece in enumerate(pieces) if len(piece) == 1}
        marks = [bytes([byte]) for byte in _CLOSING]
        blanks = [bytes([byte]) for byte in b" \t\n\r"]
        rest = sorted(single.keys() - set(marks) - set(blanks))
        self.ends = tuple(ends)
        self.tokens = [single[each] for each in (*marks, *rest, *blanks) if each in single]
        self.quote = single.get(b'"')
        self.many = len(pieces) // 8


class State:
    """A text that has followed its grammar so far."""

    def __init__(self, matcher: LLMatcher, words: Words, closing: Closing) -> None:
        self._matcher = matcher
        self._closing = closing
        self.ended = matcher.is_stopped()
        """Whether nothing may follow. Kept apart: while `fill` is at work nothing else may be asked."""
        self.words = words
        """The mask that `fill` made last: a bit per token, the lowest of the first word for token 0."""

    def fork(self) -> "State":
        """Return a state of its own that has come as far as this one."""
        return State(self._matcher.deep_copy(), self.words[:], self._closing)

    def fill(self) -> None:
        """Make the mask for the next token. Raises BadGrammar where it takes too much to tell."""
        address, words = self.words.buffer_info()
        self._matcher.unsafe_compute_mask_ptr(address, words * self.words.itemsize)
        self._check()

    def take(self, token: int) -> None:
        """Go on by a token that the mask allows. Raises BadGrammar if it does not."""
        self._matcher.consume_token(token)
        self.ended = self._matcher.is_stopped()
        self._check()

    def allows(self, token: int) -> bool:
        """Whether a token may come next, by the mask that was made last."""
        return bool(self.words[token // _WORD_BITS] >> token % _WORD_BITS & 1)

    def allow_only(self, token: int) -> None:
        """Put a mask that leaves no choice in the place of the one that was made last."""
        self.words = array(_WORD, bytes(len(self.words) * self.words.itemsize))
        self.words[token // _WORD_BITS] = 1 << token % _WORD_BITS

    def completion(self, most: int) -> list[int] | None:
        """Return few tokens that complete the text, the end included where it must be said.

        None where `most` do not do, as far as is plain to see: texts are closed at the next quote,
        lists and objects where they may be. Takes some ten microseconds per token.
        """
        ahead = self.fork()
        found: list[int] = []
        try:
            while not ahead.ended and len(found) < most:
                ahead.fill()
                found.append(ahead.closing_token())
                ahead.take(found[-1])
        except BadGrammar:
            return None
        return found if ahead.ended else None

    def closing_token(self) -> int:
        """Return the token that seems to lead to the end soonest, by the mask that was made last."""
        closing = self._closing
        for token in closing.ends:
            if self.allows(token):
                return token
        # Where nearly all may come, a text is open: in it, brackets close nothing.
        quote = closing.quote
        if quote is not None and self.allows(quote) and self._allowed() > closing.many:
            return quote
        found = next((token for token in closing.tokens if self.allows(token)), None)
        if found is None:
            raise BadGrammar("no token of one byte goes on")
        return found

    def _allowed(self) -> int:
        return int.from_bytes(self.words.tobytes()).bit_count()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise BadGrammar(_first_words(self._matcher.get_error()))


class _Tokenizer:
    """The attributes the library asks of a tokenizer."""

    bos_token_id = None

    def __init__(self, pieces: Sequence[bytes], ends: Sequence[int]) -> None:
        # The library tells tokens without text apart by what a grammar calls them: `<[number]>`.
        self.tokens = [piece or b"[%d]" % token for token, piece in enumerate(pieces)]
        self.special_token_ids = [token for token, piece in enumerate(pieces) if not piece]
        self.eos_token_id = ends[0]

    def __call__(self, text: str) -> list[int]:
        """Only asked whether it can be asked: what is not forced needs no tokens of a text."""
        del text
        return []


def regex_in_lark(regex: str) -> str:
    r"""Return a regular expression as it stands between slashes in a Lark grammar; `\d`, `\w` and
    `\s` mean ASCII, which every reader of them agrees on.
    """
    return regex_to_lark(regex, "dws")


def _first_words(error: str) -> str:
    """Return what an error says before it shows the library's own state, or where in our text it is."""
    said = error.split("<state>", 1)[0].strip()
    place, reason = _PLACE.match(said), _REASON.search(said)
    shown = reason[1] if reason else said.split("\n", 1)[0]
    return f"{place[0]}{shown}" if place and reason else shown
