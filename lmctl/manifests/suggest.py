"""The word a person probably meant."""

import difflib
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 100
_SHORT: Final = 5
_MOST: Final = 16


def closest(word: object, known: Iterable[object]) -> str | None:
    """Return the known word most like `word`, or None if none is like it. Case does not count."""
    names = {str(each).lower(): str(each) for each in known}
    meant = str(word).lower()[:_LONGEST]
    cutoff = 0.5 if len(meant) <= _SHORT else 0.6  # `pipy` shares half its letters with `pypi`
    found = difflib.get_close_matches(meant, list(names), n=3, cutoff=cutoff)
    # In `llm.prediction.x` the prefix would make everything similar: the tail has to be, too.
    return next((names[each] for each in found if _ratio(_tail(meant), _tail(each)) >= 0.5), None)


def _tail(word: str) -> str:
    return word.rpartition(".")[2]


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def did_you_mean(word: object, known: Iterable[object], *, prefix: str = "") -> str:
    """Return `did you mean ...?` for the closest known word, or nothing."""
    meant = closest(word, known)
    return f"{prefix}did you mean `{meant}`?" if meant else ""


def hint(word: object, known: Iterable[str], *, what: str) -> str:
    """Return a hint for an unknown word: what was probably meant, or everything there is."""
    names = sorted(known)
    shown = ", ".join(names) if len(names) <= _MOST else f"{', '.join(names[:_MOST])}, ..."
    return did_you_mean(word, names) or f"known {what}: {shown}"
