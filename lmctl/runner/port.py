"""All a scheduler asks of an engine: many sequences at once, one step for all of them.

An engine is owned by one thread; only `Facts`, `tokenize` and `piece` may be used from another
one (they read what loading fixed). A sequence is a number below `Facts.slots`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from threading import Event
from typing import Protocol

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import FailureKind
from lmctl.base.talk import Sampling


@dataclass(frozen=True, slots=True)
class Facts:
    """What loading found out. `context_length` is per sequence, in tokens; `step_tokens` is how
    many tokens one step takes without splitting; `chat_template` is the model's own Jinja text.
    """

    architecture: str
    context_length: int
    slots: int
    step_tokens: int
    vocabulary: int
    chat_template: str | None
    bos: str
    eos: str
    adds_bos: bool


@dataclass(frozen=True, slots=True)
class Feed:
    """The next tokens of one sequence; `wants` asks for the token that comes after them."""

    sequence: int
    tokens: Sequence[int]
    wants: bool


class Bell(Event):
    """Rung to interrupt a step. An engine that takes long over one says with `beat` that it still
    works at it; whoever waits for it counts the `beats`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.beats = 0

    def beat(self) -> None:
        """Say that the step goes on."""
        self.beats += 1


class LoadFailed(EngineFailed):
    """The weights did not become an engine; `kind` says whether trying again can help."""

    def __init__(self, message: str, *, kind: FailureKind, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.kind = kind


class Interrupted(Exception):
    """The bell rang during a step: nothing of the step happened, feed it again."""


class Full(Exception):
    """There is no room for this step's tokens: nothing of it happened; end a sequence first."""


class Engine(Protocol):
    """A loaded model."""

    @property
    def facts(self) -> Facts: ...

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """Return the tokens of a text; with `parse_special` control tokens are recognised in it."""
        ...

    def piece(self, token: int) -> bytes:
        """Return the bytes a token adds to the text: perhaps half a character, perhaps none."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        ...

    def begin(self, sequence: int, sampling: Sampling, prompt: Sequence[int]) -> None:
        """Prepare an empty sequence; its prompt is still to be fed."""
        ...

    def step(self, feeds: Sequence[Feed], bell: Bell) -> list[int | None]:
        """Compute all feeds together; return for each the sampled token, None where not wanted.

        Feeds come in ascending order of their sequences, each at most once. Raises Interrupted
        when `bell` rings before a long step is done, Full when memory for tokens ran out, and
        EngineFailed when the engine is broken for good.
        """
        ...

    def forget(self, sequence: int) -> None:
        """Free a sequence and everything kept for it."""
        ...

    def close(self) -> None:
        """Free everything. The engine may not be used afterwards."""
        ...
