"""What is wrong with what a user wrote: what, where, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad: an error stops the bundle, a warning is only told."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file; line and column count from 1, column in characters."""

    file: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"

    @property
    def at(self) -> str:
        """Return the place as `file:line`."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem, with its place, what was expected, and a hint the reader can act on. `code` is a
    word for programs, where one has to be told from the others.
    """

    severity: Severity
    place: Place
    message: str
    hint: str | None = None
    code: str = ""

    @property
    def fatal(self) -> bool:
        return self.severity is Severity.ERROR


def error(place: Place, message: str, hint: str | None = None, *, code: str = "") -> Diagnostic:
    """Return a problem that stops the bundle."""
    return Diagnostic(Severity.ERROR, place, message, hint, code)


def warning(place: Place, message: str, hint: str | None = None) -> Diagnostic:
    """Return a problem that is told and does not stop anything."""
    return Diagnostic(Severity.WARNING, place, message, hint)
