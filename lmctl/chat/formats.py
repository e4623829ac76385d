"""How models write calls of tools and thoughts: the shape of the files in `config/formats`."""

from collections.abc import Mapping
from typing import Literal, TypeVar

import msgspec

_Read = TypeVar("_Read")


class Json(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="json"):
    """JSON objects with members `name` and `arguments`; `others` may stand beside them where
    `needs_arguments` asks for both. `listed` says that the model writes a list of them.
    """

    name: tuple[str, ...] = ("name",)
    arguments: tuple[str, ...] = ("arguments", "parameters")
    others: tuple[str, ...] = ()
    needs_arguments: bool = False
    listed: bool = False


class Named(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="named"):
    """`lead`, a name up to one of `name_end`, then the arguments as JSON and `tail`.

    `name_after` and `arguments_after` are marks that something may stand before; `indexed` says that
    the model counts its calls behind the name.
    """

    name_end: tuple[str, ...]
    lead: str = ""
    name_after: str = ""
    name_prefix: str = ""
    indexed: bool = False
    arguments_after: str = ""
    tail: str = ""


class Tagged(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="tagged"
):
    """A name, then parameters between tags. `text_flag` in the tag says that a value is text,
    `other_flag` that it is not; `end_stays` leaves the end to the frame.
    """

    key_begin: str
    key_end: str
    value_end: str
    end: str
    name_end: tuple[str, ...] = ()
    value_begin: str = ""
    text_flag: str = ""
    other_flag: str = ""
    end_stays: bool = False


class Pythonic(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="pythonic"
):
    """A list of Python calls."""


class Braced(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="braced"
):
    """`name{key:value}` with `quote` around strings."""

    quote: str


class Frame(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a call begins and ends; without `begin` it may only be the first thing said."""

    body: Json | Named | Tagged | Pythonic | Braced
    begin: str = ""
    end: str = ""


class Channels(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An answer in messages, each with a header that says what it is (gpt-oss harmony). `skipped`
    at the end of a prompt is a thought already had; `enough` ends one and begins the answer.
    """

    start: str
    channel: str
    kind: str
    message: str
    ends: tuple[str, ...]
    thought: str
    answer: str
    recipient_prefix: str
    skipped: str
    enough: str


class Format(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How one family writes calls. It is recognised by all texts of one row of `when`, and by none
    of `unless`. `opens` and `closes` are marks around all calls, which mean nothing else. `results`
    begin what is not the model's to write: where one follows a call, the answer is over.
    """

    name: str
    when: tuple[tuple[str, ...], ...] = ()
    unless: tuple[str, ...] = ()
    opens: tuple[str, ...] = ()
    closes: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    frames: tuple[Frame, ...] = ()
    channels: Channels | None = None
    ids: Literal["digits", "functions"] = "digits"

    def marks(self) -> tuple[str, ...]:
        """Return every mark that a model may write as a token of its own."""
        found = [*self.opens, *self.closes]
        for frame in self.frames:
            found += [frame.begin, frame.end]
            for each in msgspec.structs.asdict(frame.body).values():
                found += [each] if isinstance(each, str) else []
                found += each if isinstance(each, tuple) else []
        if self.channels is not None:
            channels = self.channels
            found += [channels.start, channels.channel, channels.message, *channels.ends]
        return tuple(dict.fromkeys(each.strip() for each in found if each.strip()))


class Thought(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a family frames its thinking. `empty` is what a model reads as a thought already had;
    `drops` are marks around the answer proper, which mean nothing to a reader.
    """

    name: str
    begin: str
    end: str
    empty: str
    when: tuple[tuple[str, ...], ...] = ()
    drops: tuple[str, ...] = ()


class Thoughts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Families of thinking, the first that fits counts, and the template variables that control it."""

    families: tuple[Thought, ...]
    switches: tuple[str, ...]
    effort: str
    budget: str


class Described(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words for models whose template knows no tools (contract 1.15)."""

    prompt: str
    call: str
    result: str


class Formats(msgspec.Struct, frozen=True, cache_hash=True):
    """Everything shipped: `plain` is for models without a format of their own; `lenient` reads what
    small models write instead of what they were told.
    """

    families: tuple[Format, ...]
    plain: Format
    lenient: Format
    thoughts: Thoughts
    described: Described


def decode(files: Mapping[str, str]) -> Formats:
    """Return the formats of the files' texts, by name. Raises ValueError naming the file."""
    families = [
        _read(name, text, Format)
        for name, text in sorted(files.items())
        if name.startswith("tools/")
    ]
    by_name = {each.name: each for each in families}
    return Formats(
        families=tuple(each for each in families if each.when),
        plain=by_name["plain"],
        lenient=by_name["lenient"],
        thoughts=_read("reasoning.toml", files["reasoning.toml"], Thoughts),
        described=_read("described.toml", files["described.toml"], Described),
    )


def _read(name: str, text: str, kind: type[_Read]) -> _Read:
    try:
        return msgspec.toml.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise ValueError(f"{name}: {error}") from error
