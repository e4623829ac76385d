"""All a scheduler asks of an engine: many sequences at once, one step for all of them.

An engine is owned by one thread; only `Facts`, `tokenize`, `piece`, `pieces` and `is_end` may be used from
another one (they read what loading fixed). A sequence is a number below `Facts.slots`; what it has
read, and what chooses its next token, are two things: `begin` and `copy` keep to one each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any, Protocol, runtime_checkable

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import FailureKind, ModelKind
from lmctl.base.talk import ChosenToken, Image, Sampling


@dataclass(frozen=True, slots=True)
class Facts:
    """What loading found out. `context_length` is per sequence, in tokens; `step_tokens` is how
    many tokens one step takes without splitting, `most_wanted` after how many of them, all feeds
    together, a token can be chosen; `rows_at_once` of them are computed at about the price of one
    more, so the best number of a step is a multiple of it; `chat_template` is the model's own Jinja text.

    `can_copy`, `can_cut` and `can_shift` say which of those three the model's memory allows: a
    recurrent state cannot be cut, some positions cannot be moved. Everything can be cut to nothing.

    With `vision` it takes images. An `embedding` model answers with vectors of `dimensions` numbers; its `context_length` is of
    one text.
    """

    architecture: str
    context_length: int
    slots: int
    step_tokens: int
    most_wanted: int
    vocabulary: int
    chat_template: str | None
    bos: str
    eos: str
    adds_bos: bool
    can_copy: bool
    can_cut: bool
    can_shift: bool
    kind: ModelKind = "text"
    dimensions: int = 0
    vision: bool = False
    rows_at_once: int = 1


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, or a part of one, as a sequence reads it: it takes `span` positions. In a prompt
    `mark` stands for each of them: no token, the same for the same image. `native` is the engine's.
    """

    span: int
    mark: int
    native: Any


@dataclass(frozen=True, slots=True)
class Feed:
    """The next tokens of one sequence; `wants` is after how many of the last ones a token is to be
    chosen: none, one, or more where the tokens behind the first of them are only guessed.
    """

    sequence: int
    tokens: Sequence[int]
    wants: int


@dataclass(frozen=True, slots=True)
class Sampled:
    """A chosen token; `chosen` has its probability and others', where `begin` asked for them."""

    token: int
    chosen: ChosenToken | None = None


class Matcher(Protocol):
    """A constraint at work on one answer: which tokens may come next.

    Used by the engine's thread only. An implementation may begin to work out the next mask in
    `accept`, elsewhere, while the engine computes: `mask` waits for it.
    """

    def begin(self) -> None:
        """Constrain from here on, if it waited for the end of a thought; else nothing changes."""
        ...

    def mask(self) -> memoryview | None:
        """Return a bit per token, set where it may come: little-endian 32-bit words, token 0 is the
        lowest bit of the first. Tokens beyond its end may not come; None allows all. Some token is
        always allowed.
        """
        ...

    def accept(self, token: int) -> int:
        """Take the token that was chosen; it was allowed. Return it, or the one to put in its place:
        one that is the better choice in the light of what can follow.
        """
        ...

    @property
    def ended(self) -> bool:
        """Whether the answer is complete and nothing may follow."""
        ...

    @property
    def trouble(self) -> str | None:
        """Why the answer can no longer be held to the constraint; then only the end is allowed."""
        ...


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


class Model(Protocol):
    """What every loaded model can do."""

    @property
    def facts(self) -> Facts: ...

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        """Return the tokens of a text; with `parse_special` control tokens are recognised in it."""
        ...

    def close(self) -> None:
        """Free everything. The engine may not be used afterwards."""
        ...


@runtime_checkable
class EmbeddingEngine(Model, Protocol):
    """A loaded model that turns texts into vectors; `tokenize` frames a text as the model wants."""

    def embed(self, texts: Sequence[Sequence[int]], bell: Bell) -> list[bytes]:
        """Compute texts together; return for each its vector of length 1, in order: little-endian
        32-bit numbers, `Facts.dimensions` of them. Nothing of a text is kept.

        They are `Facts.slots` at most, none longer than `Facts.context_length`, and all together
        have `Facts.step_tokens` at most. Raises Interrupted when `bell` rings before it is done,
        and EngineFailed when the engine is broken for good.
        """
        ...


@runtime_checkable
class Saving(Protocol):
    """An engine whose sequences can be written to a file, and read by another one like it."""

    @property
    def saved_as(self) -> str:
        """What writes the files; another one may not understand them."""
        ...

    def save(self, sequence: int, tokens: Sequence[int], path: Path) -> None:
        """Write what a sequence has read, `tokens` being all of it. Raises OSError."""
        ...

    def restore(self, sequence: int, path: Path) -> list[int]:
        """Let an empty sequence have read what a file says; return its tokens, none where that cannot
        be had.
        """
        ...


class Engine(Model, Protocol):
    """A loaded model that goes on with a text."""

    def piece(self, token: int) -> bytes:
        """Return the bytes a token adds to the text: perhaps half a character, perhaps none."""
        ...

    def pieces(self) -> list[bytes]:
        """Return the piece of each token that a constrained answer may be made of, by its number.

        Takes a part of a second. May be called from any thread.
        """
        ...

    def is_end(self, token: int) -> bool:
        """Whether the model says with this token that it is done."""
        ...

    def begin(
        self,
        sequence: int,
        sampling: Sampling,
        prompt: Sequence[int],
        *,
        matcher: Matcher | None = None,
        logprobs: int | None = None,
    ) -> None:
        """Prepare to choose tokens for a sequence; what of the prompt it has not read is to be fed.

        Only tokens that `matcher` allows are chosen. `logprobs` asks for each token's probability,
        and that many of the likeliest.
        """
        ...

    def see(self, image: Image) -> list[Picture | list[int]]:
        """Return what an image is in a prompt, pictures and tokens around them; only where
        `Facts.vision`. May be used from any thread. Raises BadRequest when it cannot be read.
        """
        ...

    def look(self, sequence: int, picture: Picture, bell: Bell) -> None:
        """Let a sequence read a picture, as a step of its own. Raises Full, and EngineFailed when the
        engine is broken for good.
        """
        ...

    def step(self, feeds: Sequence[Feed], bell: Bell) -> list[list[Sampled]]:
        """Compute all feeds together; return for each the tokens chosen, in order.

        Where a feed wants more than one, choosing stops behind the first that is not the token fed
        next, those after it were guessed wrong and are to be cut, or with which a matcher ended.
        Feeds come in ascending order of
        their sequences, each at most once. Raises Interrupted when `bell` rings before a long step
        is done, Full when memory for tokens ran out, and EngineFailed when the engine is broken for
        good.
        """
        ...

    def copy(self, source: int, target: int) -> None:
        """Let an empty sequence have read all that another has. Only where `Facts.can_copy`."""
        ...

    def cuttable(self, sequence: int) -> int:
        """Return the least position a sequence can be cut to, other than 0: how much it has read
        where nothing can be taken back, more than 0 where only a window of it is kept.
        """
        ...

    def cut(self, sequence: int, begin: int) -> None:
        """Forget what a sequence read from position `begin` on: 0, or what `cuttable` allows."""
        ...

    def shift(self, sequence: int, *, keep: int, discard: int) -> None:
        """Forget `discard` tokens behind the first `keep`; those after them move up to their place.

        Only where `Facts.can_shift`.
        """
        ...

    def rest(self, sequence: int) -> None:
        """Choose no more tokens for a sequence; what it has read stays, for `begin` and `copy`."""
        ...

    def forget(self, sequence: int) -> None:
        """Free a sequence and everything kept for it, at rest or not."""
        ...
