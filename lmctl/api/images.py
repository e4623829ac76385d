"""Images in requests: given inline, checked before anything decodes them."""

import base64
import binascii
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from lmctl.base import pictures, talk
from lmctl.base.errors import BadRequest
from lmctl.base.quantities import format_size

MOST: Final = 16
"""Images of one request."""
MOST_BYTES: Final = 12 * 1024 * 1024
"""Bytes of all images of one request, decoded: a runner takes 16 MiB at once."""
MOST_PIXELS: Final = 36_000_000
"""Pixels of one image, which take three bytes each once it is decoded."""


def from_url(url: Any, place: str) -> talk.Image:
    """Return the image of a data URL. Raises BadRequest; nothing is ever fetched."""
    if not isinstance(url, str) or not url.startswith("data:"):
        raise BadRequest(
            f"`{place}` must be a base64 data URL; remote images are not fetched", param=place
        )
    about, comma, data = url.removeprefix("data:").partition(",")
    media_type, _, coding = about.rpartition(";")
    if not comma or coding != "base64":
        raise BadRequest(f"`{place}` should be `data:image/png;base64,…`", param=place)
    return from_base64(data, media_type, place)


def from_base64(data: Any, media_type: Any, place: str) -> talk.Image:
    """Return an image given in base64. Raises BadRequest for what is none, or too large a one."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise BadRequest(f"`{place}` is not base64", param=place) from None
    found = pictures.size(raw)
    if found is None:
        raise BadRequest(f"`{place}` is no picture: expected {pictures.KINDS}", param=place)
    width, height = found
    if not 0 < width * height <= MOST_PIXELS:
        raise BadRequest(
            f"`{place}` has {width} x {height} pixels, and {MOST_PIXELS} are the most",
            param=place,
            hint="scale it down: models look at a few hundred pixels a side",
        )
    return talk.Image(raw, media_type if isinstance(media_type, str) else "")


def content(parts: Iterable[str | talk.Image]) -> talk.Content:
    """Return what a turn says: text where there is no image in it."""
    found = list(parts)
    if all(isinstance(each, str) for each in found):
        return "".join(each for each in found if isinstance(each, str))
    return tuple(talk.Text(each) if isinstance(each, str) else each for each in found)


def logged(messages: Iterable[talk.Message]) -> list[Any]:
    """Return turns as a log has them: of an image that there was one."""
    return [msgspec.to_builtins(_without(message)) for message in messages]


def _without(message: talk.Message) -> talk.Message:
    if isinstance(message.content, str):
        return message
    bare = (
        talk.Image(b"", each.media_type) if isinstance(each, talk.Image) else each
        for each in message.content
    )
    return msgspec.structs.replace(message, content=tuple(bare))


def check(messages: Iterable[talk.Message], *, param: str = "messages") -> None:
    """Raise BadRequest when a conversation has more images than one request may bring."""
    found = [
        part
        for message in messages
        if not isinstance(message.content, str)
        for part in message.content
        if isinstance(part, talk.Image)
    ]
    if len(found) > MOST:
        raise BadRequest(f"there are {len(found)} images, and {MOST} are the most", param=param)
    total = sum(len(each.data) for each in found)
    if total > MOST_BYTES:
        told, most = format_size(total), format_size(MOST_BYTES)
        raise BadRequest(f"the images have {told}, and {most} are the most", param=param)
