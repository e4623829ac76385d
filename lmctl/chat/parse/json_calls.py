"""Calls written as JSON objects, alone or in a list."""

import json

from lmctl.chat.formats import Json
from lmctl.chat.parse import json_text
from lmctl.chat.parse.calls import Calls
from lmctl.chat.parse.source import NotACall, Source, Steps

_LIST_SEPARATORS = (",", ";")


def read(source: Source, body: Json, calls: Calls) -> Steps[None]:
    """Read an object, or a list of them. Raises NotACall when the first is none."""
    yield from source.spaces()
    listed = yield from source.take("[")
    yield from _object(source, body, calls)
    while not calls.over:
        end = source.at
        yield from source.spaces()
        if listed and (yield from source.take("]")):
            return
        try:
            yield from source.need(*_LIST_SEPARATORS)
            yield from _object(source, body, calls)
        except NotACall:
            source.at = end
            return


class _Found:
    """What is known of a call so far."""

    name: str | None = None
    arguments: str | None = None
    told = False


def _object(source: Source, body: Json, calls: Calls) -> Steps[None]:
    yield from source.spaces()
    found = _Found()
    yield from _members(source, body, calls, found)
    if found.told:
        return
    if found.name is None or (found.arguments is None and body.needs_arguments):
        raise NotACall
    calls.begin(found.name)
    calls.add(found.arguments or "{}")
    calls.end()


def _members(source: Source, body: Json, calls: Calls, found: _Found) -> Steps[None]:
    """Read an object member by member. Once the call is told, trouble just ends the reading."""
    yield from source.need("{")
    while True:
        yield from source.spaces()
        if (yield from source.take("}")):
            return
        here = source.at
        try:
            yield from _member(source, body, calls, found)
            here = source.at
            yield from source.spaces()
            if not (yield from source.ahead("}")):
                yield from source.need(",")
        except NotACall:
            if not found.told:
                raise
            source.back(here)
            return


def _member(source: Source, body: Json, calls: Calls, found: _Found) -> Steps[None]:
    key = yield from json_text.name_of(source)
    yield from source.spaces()
    yield from source.need(":")
    yield from source.spaces()
    if key in body.name and found.name is None:
        found.name = yield from json_text.name_of(source)
        calls.check(found.name)
    elif key in body.arguments and not found.told:
        yield from _arguments(source, calls, found)
    elif key == "function" and (yield from source.ahead("{")):
        yield from _members(source, body, calls, found)
    elif key in body.others or not body.needs_arguments:
        yield from json_text.text_of(source)
    else:
        raise NotACall


def _arguments(source: Source, calls: Calls, found: _Found) -> Steps[None]:
    """Read the arguments: as they come when the name is known, else to be told later."""
    if found.name is None or not (yield from source.ahead("{")):
        found.arguments = _object_text((yield from json_text.text_of(source)))
        return
    calls.begin(found.name)
    found.told = True
    yield from stream(source, calls)


def stream(source: Source, calls: Calls) -> Steps[None]:
    """Read the arguments of the open call as they come, and end it, whole or not."""

    def add(text: str) -> None:
        calls.add(text)
        source.forget()

    yield from json_text.value(source, add)
    calls.end()


def _object_text(text: str) -> str:
    """Return the text of an object; some models write it once more as a string, or null for none."""
    try:
        given = json.loads(text)
        if isinstance(given, str):
            text, given = given, json.loads(given or "{}")
    except ValueError:
        raise NotACall from None
    if given is None:
        return "{}"
    if not isinstance(given, dict):
        raise NotACall
    return text or "{}"
