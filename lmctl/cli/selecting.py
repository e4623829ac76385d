"""What the words after `get` and `wait` mean: a kind, or one object of it."""

from collections.abc import Sequence

from lmctl.base.errors import NotFound
from lmctl.planning.report import ObjectView

KINDS = ("runtime", "model", "server", "instance", "route", "mcp")


def select(found: Sequence[ObjectView], wanted: str) -> list[ObjectView]:
    """Return the objects `wanted` names: `instance`, `instances`, `instance/chat`.

    Raises NotFound, with the names there are, when there is no such thing.
    """
    matches = matching(found, wanted)
    if not matches and "/" in wanted:
        raise NotFound(f"no `{key_of(wanted)}`", hint=what_there_is(found, wanted))
    return matches


def matching(found: Sequence[ObjectView], wanted: str) -> list[ObjectView]:
    """Return the objects `wanted` names, none when there is no such thing (yet)."""
    kind, slash, name = wanted.partition("/")
    singular = check_kind(kind)
    return [each for each in found if each.kind == singular and (not slash or each.name == name)]


def key_of(wanted: str) -> str:
    """Return `instance/chat` for `instances/chat` too."""
    kind, slash, name = wanted.partition("/")
    return f"{check_kind(kind)}{slash}{name}"


def what_there_is(found: Sequence[ObjectView], wanted: str) -> str:
    """Return a hint with the names of the same kind."""
    of_kind = matching(found, wanted.partition("/")[0])
    return f"there is: {', '.join(each.key for each in of_kind) or 'none'}"


def is_kind(wanted: str) -> bool:
    """Say whether words name a kind, or an object of one."""
    return wanted.partition("/")[0].removesuffix("s") in KINDS


def check_kind(word: str) -> str:
    """Return the kind a word of one or many means.

    Raises NotFound when it is none.
    """
    singular = word.removesuffix("s")
    if singular not in KINDS:
        raise NotFound(f"unknown kind `{word}`", hint=f"known kinds: {', '.join(KINDS)}")
    return singular
