"""The id of a request: the client's own if it is a plain one, else a new one."""

import re
import uuid
from collections.abc import Iterable

_PLAIN = re.compile(rb"[A-Za-z0-9._:/+=@-]{1,128}")


def request_id_of(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the `x-request-id` of the headers, or a new id where it is missing or odd.

    It is written into logs and answered in a header, so it must not carry anything but letters,
    digits and a few signs.
    """
    for name, value in headers:
        if name == b"x-request-id" and _PLAIN.fullmatch(value):
            return value.decode("ascii")
    return uuid.uuid4().hex
