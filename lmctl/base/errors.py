"""What can go wrong, as one tree.

    LmctlError
    ├── NotFound          the thing named does not exist
    ├── Refused           asked for something we will not do; asking again will not help
    │   ├── BadRequest        the request itself is wrong (`param` names the field)
    │   ├── Conflict          what is declared stands in the way
    │   └── Stale             a plan that was made for a world that moved
    ├── NotReady          not now: try again after `retry_after` seconds
    │   ├── Draining          the runner takes no new work
    │   └── Busy              the queue is full
    ├── Unreachable       a source, socket or peer does not answer
    ├── IntegrityError    bytes are not the bytes that were declared
    └── EngineFailed      the engine or its process broke

Nobody below the edges (`api`, `cli`) knows about HTTP statuses or exit codes.
"""


class LmctlError(Exception):
    """Anything lmctl reports on purpose: a message, and what the reader can do about it."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class NotFound(LmctlError):
    """The thing named does not exist."""


class Refused(LmctlError):
    """Asked for something we will not do; asking again will not help."""


class BadRequest(Refused):
    """The request itself is wrong; `param` is the field that is, `code` what programs know the
    mistake by where it has a name (`context_length_exceeded`, …).
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.param = param
        self.code = code


class Stale(Refused):
    """A plan was made for a world that moved since; `moved` says what did, in a person's words."""

    def __init__(self, message: str, moved: tuple[str, ...], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.moved = moved


class Conflict(Refused):
    """What a file declares stands in the way; the file is to be edited instead."""


class NotReady(LmctlError):
    """Not now; worth another try after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: float = 1.0, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.retry_after = retry_after


class Draining(NotReady):
    """The runner finishes what it has and takes no new work."""


class Busy(NotReady):
    """Every place in the queue is taken."""


class Unreachable(LmctlError):
    """A source, a socket or a peer does not answer."""


class IntegrityError(LmctlError):
    """Bytes are not the bytes that were declared."""


class EngineFailed(LmctlError):
    """The engine, or the process that holds it, broke."""
