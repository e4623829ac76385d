"""What the words after `get` and `wait` mean: a kind, or one object of it."""

from collections.abc import Sequence

from lmctl.base.errors import NotFound
from lmctl.planning.report import ObjectView

KINDS = ("runtime", "model", "server", "instance")


def select(found: Sequence[ObjectView], wanted: str) -> list[ObjectView]:
    """Return the objects `wanted` names: `instance`, `instances`, `instance/chat`.

    Raises NotFound, with the names there are, when there is no such thing.
    """
    kind, slash, name = wanted.partition("/")
    singular = check_kind(kind)
    of_kind = [each for each in found if each.kind == singular]
    if not slash:
        return of_kind
    matches = [each for each in of_kind if each.name == name]
    if not matches:
        names = ", ".join(each.key for each in of_kind) or "none"
        raise NotFound(f"no `{singular}/{name}`", hint=f"there is: {names}")
    return matches


def check_kind(word: str) -> str:
    """Return the kind a word of one or many means.

    Raises NotFound when it is none.
    """
    singular = word.removesuffix("s")
    if singular not in KINDS:
        raise NotFound(f"unknown kind `{word}`", hint=f"known kinds: {', '.join(KINDS)}")
    return singular
