"""What it costs to change a field: one word each, the same in schemas, docs and plans."""

from enum import StrEnum


class ChangeClass(StrEnum):
    """What it takes to change a field: nothing (the next request has it), a new process of the same
    weights, other weights or another runtime, another listening process, or it is another object.
    """

    HOT = "hot"
    RELOAD = "reload"
    REPLACE = "replace"
    SERVER_RESTART = "server-restart"
    IDENTITY = "identity"
