"""A vocabulary of single bytes, and what a constraint allows of it."""

from lmctl.base.talk import Constraint
from lmctl.chat.masks import Vocabulary
from lmctl.chat.structured import compiled

_END = 0
_FIRST_BYTE = 256
BYTES = Vocabulary(
    [b""] * _FIRST_BYTE + [bytes([byte]) for byte in range(256)],
    [_END],
)


def allows(constraint: Constraint, text: str) -> bool:
    """Whether an answer may be this text, no more and no less."""
    state = compiled(constraint, BYTES.compile)
    for byte in text.encode():
        state.fill()
        if not _has(state.words, _FIRST_BYTE + byte):
            return False
        state.take(_FIRST_BYTE + byte)
    state.fill()
    return _has(state.words, _END)


def _has(words, token):
    return bool(words[token // 32] >> token % 32 & 1)
