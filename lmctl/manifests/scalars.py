"""What an unquoted word of YAML means, by the core schema of YAML 1.2 (chapter 10.3).

So `no`, `off` and `12:30` are text, `010` is ten, and there are no dates.
"""

import math
import re
from typing import Final

_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_INT = re.compile(r"[-+]?[0-9]+")
_OTHER_BASE = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_DIGITS: Final = 300  # a float has no more; Python refuses to read far longer ones anyway

Scalar = str | int | float | bool | None


def resolve(word: str) -> Scalar:
    """Return the value of a plain word.

    Raises ValueError, with the reason, for a number no setting can have (infinite, or endless).
    """
    if word in _NULL:
        return None
    if word in _BOOL:
        return _BOOL[word]
    if _NOT_FINITE.fullmatch(word):
        raise ValueError("expected a finite number")
    if word[0] not in "-+.0123456789":
        return word
    if _INT.fullmatch(word):
        return int(_bounded(word))
    if _OTHER_BASE.fullmatch(word):
        return int(_bounded(word), 0)
    if _FLOAT.fullmatch(word):
        number = float(_bounded(word))
        if not math.isfinite(number):
            raise ValueError("expected a finite number")
        return number
    return word


def _bounded(word: str) -> str:
    if len(word) > _MAX_DIGITS:
        raise ValueError(f"expected a number of up to {_MAX_DIGITS} characters")
    return word
