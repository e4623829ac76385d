"""A turn that was kept so that later ones can go on from it.

Turns are nodes of trees: each names the one it goes on from, none is ever changed, and two that go
on from one are two branches.
"""

import msgspec

from lmctl.base.talk import Message


class StoredTurn(msgspec.Struct, frozen=True):
    """What one request added to a conversation, and what it was answered.

    `messages` are those this request brought and the answer's, without a system prompt: `system` is
    the one in force. `response` and `items` are the answer and what was asked as JSON, in the dialect
    that can give them again; empty in one that cannot. `at` is in unix seconds.
    """

    id: str
    at: float
    model: str
    messages: tuple[Message, ...]
    parent: str | None = None
    system: str = ""
    response: bytes = b""
    items: bytes = b""
