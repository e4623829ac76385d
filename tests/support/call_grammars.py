"""Grammars of calls, tried on a vocabulary of single bytes and of marks that have no text."""

import pytest

from lmctl.chat.masks import Vocabulary
from lmctl.chat.writing import Written
from tests.support.written import BY_NAME

BYTES = [bytes([byte]) for byte in range(256)]
MOST = 400

WAYS = [
    pytest.param(form, frame, id=f"{form.name}-{number}")
    for form in BY_NAME.values()
    for number, frame in enumerate(form.frames or (None,))
]


def way_of(form, frame):
    if form.channels is not None:
        return form.channels
    around = (form.opens[0], form.closes[0]) if form.closes and not frame.end else ("", "")
    return Written(frame, *around)


def written(state, pieces, names, chance):
    """Walk at random over what the grammar allows; return the text when it may end."""
    state, text, end = state.fork(), b"", len(pieces) - 1
    for _ in range(MOST):
        state.fill()
        allowed = [t for t in range(len(pieces)) if state.words[t // 32] >> (t % 32) & 1]
        assert allowed
        if end in allowed and (len(allowed) == 1 or chance.random() < 0.5):
            return text.decode()
        token = chance.choice([each for each in allowed if each != end])
        state.take(token)
        text += names.get(token, b"") or pieces[token]
        if state.ended:
            return text.decode()
    return None


def marked(form):
    """Return the pieces of a vocabulary, and what its tokens without text are called: half of a
    format's marks have none, as control tokens of real models.
    """
    marks = [each for each in form.marks() if each[0] in "<[" and len(each) > 1][::2]
    names = {len(BYTES) + number: mark.encode() for number, mark in enumerate(marks)}
    return [*BYTES, *(b"" for _ in marks), b""], names


def vocabulary_of(pieces):
    """Return the vocabulary; its last token ends an answer."""
    return Vocabulary(pieces, [len(pieces) - 1])


def numbers(names):
    """Return the tokens of marks by their text."""
    return {mark.decode(): token for token, mark in names.items()}
