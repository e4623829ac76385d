"""What the custom fields of a model do to a conversation, by the values they have for a call."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from lmctl.base.custom_fields import CustomField, PromptWords, TemplateVariable
from lmctl.base.talk import Message, Text


@dataclass(frozen=True, slots=True)
class Switched:
    """`asked` are variables of the template whose values the request itself gives, `usual` the
    others. `before` and `after` are what stands around the system prompt.
    """

    asked: dict[str, Any] = field(default_factory=dict)
    usual: dict[str, Any] = field(default_factory=dict)
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    def prompted(self, messages: tuple[Message, ...]) -> tuple[Message, ...]:
        """Put the words around the first system prompt there is, or make one of them."""
        if not self.before and not self.after:
            return messages
        place = next((n for n, each in enumerate(messages) if each.role == "system"), None)
        if place is None:
            return (Message("system", _joined(*self.before, *self.after)), *messages)
        given = messages[place]
        content = given.content
        if isinstance(content, str):
            words = _joined(*self.before, content, *self.after)
            changed = msgspec.structs.replace(given, content=words)
        else:
            head, tail = _parts(*self.before), _parts(*self.after)
            changed = msgspec.structs.replace(given, content=(*head, *content, *tail))
        return (*messages[:place], changed, *messages[place + 1 :])


NOTHING: Final = Switched()


def switched(fields: Sequence[CustomField], layers: Sequence[Mapping[str, Any]]) -> Switched:
    """Return what the fields do: each has its value from the first layer that gives it one it can
    have, else its default. The first layer is the request's own.
    """
    if not fields:
        return NOTHING
    variables: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
    words: tuple[list[str], list[str]] = ([], [])
    for each in fields:
        value, own = _value(each, layers)
        for effect in each.effects:
            match effect:
                case TemplateVariable(name):
                    variables[own][name] = value
                case PromptWords(text, before=before) if value is True and text:
                    words[before].append(text)
    return Switched(variables[True], variables[False], tuple(words[True]), tuple(words[False]))


def _value(asked: CustomField, layers: Sequence[Mapping[str, Any]]) -> tuple[Any, bool]:
    """Return the value of a field, and whether the strongest layer gives it."""
    for number, layer in enumerate(layers):
        for key in asked.settings:
            if key in layer and asked.fits(layer[key]):
                return layer[key], number == 0
    return asked.default, False


def _joined(*pieces: str) -> str:
    """Join words by a line end, where neither side brings its own space."""
    text = ""
    for piece in pieces:
        apart = not text or not piece or text[-1].isspace() or piece[0].isspace()
        text += piece if apart else f"\n{piece}"
    return text


def _parts(*pieces: str) -> tuple[Text, ...]:
    return tuple(map(Text, pieces))
