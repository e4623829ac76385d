"""Answers held to a grammar: compiled once, one state for each answer, masks made beside the engine.

The mask for a token depends on the token before it alone, so it is made on a thread of its own
while the engine computes what follows that token. The engine finds it ready, as a rule.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from hashlib import sha256
from typing import Final

import msgspec

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Constraint
from lmctl.chat.masks import BadGrammar, State, Vocabulary
from lmctl.chat.structured import compiled
from lmctl.runner.port import Engine

KEPT: Final = 64
"""Compiled grammars that are kept; each takes some hundred kilobytes."""
LOOKS_AHEAD: Final = 128
"""So many tokens before the limit, and earlier if the way to the end is longer, every step looks."""
LOOKS_EVERY: Final = 32
"""Before that, one step in so many."""
LONGEST_WAY: Final = 1024
MARGIN: Final = 48
"""Tokens that a single one may lead farther from the end than any so far did, at most."""
PATIENCE: Final = 25.0
"""Seconds a grammar may take to compile, its turn included."""
_STACK: Final = 64 * 1024 * 1024
_spawning = threading.Lock()


class Constraining:
    """Makes matchers for one engine. `matcher` may be called from any thread."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._vocabulary: Vocabulary | None = None
        self._known: OrderedDict[bytes, State] = OrderedDict()
        self._lock = threading.Lock()
        # One thread compiles, so that costly grammars delay each other and nobody else.
        self._compiler = ThreadPoolExecutor(1, thread_name_prefix="grammar")
        self._masks = ThreadPoolExecutor(2, thread_name_prefix="mask")

    def matcher(
        self, constraint: Constraint, *, waits: bool = False, most: int | None = None
    ) -> "GrammarMatcher":
        """Return a matcher for a new answer; one that `waits` allows all until its `begin`.

        An answer of `most` tokens is complete by then, where that can be. Raises BadRequest when the constraint cannot be kept.
        """
        key = sha256(msgspec.msgpack.encode(constraint)).digest()
        state = self._recall(key)
        if state is None:
            begun = _on_a_deep_stack(self._compiler, self._compile, key, constraint)
            try:
                state = begun.result(PATIENCE)
            except TimeoutError as error:
                begun.cancel()
                raise BadRequest(
                    f"the grammar was not prepared within {PATIENCE:g} seconds",
                    hint="a smaller one will do, or trying again when fewer are asked for",
                ) from error
        return GrammarMatcher(state.fork(), self._masks, waits=waits, most=most)

    def close(self) -> None:
        """Let the threads go."""
        self._compiler.shutdown(wait=False, cancel_futures=True)
        self._masks.shutdown(wait=False, cancel_futures=True)

    def _recall(self, key: bytes) -> State | None:
        with self._lock:
            state = self._known.get(key)
            if state is not None:
                self._known.move_to_end(key)
            return state

    def _compile(self, key: bytes, constraint: Constraint) -> State:
        """Return the state of an answer not begun, its first mask made."""
        if (known := self._recall(key)) is not None:
            return known
        if self._vocabulary is None:
            pieces = self._engine.pieces()
            ends = [token for token in range(len(pieces)) if self._engine.is_end(token)]
            self._vocabulary = Vocabulary(pieces, ends)
        state = compiled(constraint, self._vocabulary.compile)
        try:
            state.fill()
        except BadGrammar as error:
            raise BadRequest(f"no answer can begin as it should: {error}") from error
        with self._lock:
            self._known[key] = state
            if len(self._known) > KEPT:
                self._known.popitem(last=False)
        return state


class GrammarMatcher:
    """The port's Matcher for one answer.

    With a limit of tokens it looks ahead: near the limit only what can still be completed in time
    may come.
    """

    def __init__(self, state: State, pool: Executor, *, waits: bool, most: int | None) -> None:
        self._state = state
        self._pool = pool
        self._waits = waits
        self._left = most
        self._way: list[int] | None = None
        self._longest = 0
        self._filling: Future[None] | None = None
        self.trouble: str | None = None

    @property
    def ended(self) -> bool:
        return self._state.ended

    def begin(self) -> None:
        self._waits = False

    def mask(self) -> memoryview | None:
        if self._waits:
            return None
        self._settle()
        if self._way and len(self._way) == self._left:
            self._state.allow_only(self._way[0])
        return memoryview(self._state.words)

    def accept(self, token: int) -> int:
        if self._left is not None:
            self._left -= 1
        if self._waits:
            return token
        self._settle()
        try:
            token = self._in_time(token)
            self._state.take(token)
        except BadGrammar as error:
            self._give_up(error)
        self._way = None
        if not self.ended:
            self._filling = self._pool.submit(self._prepare)
        return token

    def _prepare(self) -> None:
        """Make the next mask and, near the limit, find the way to the end."""
        self._state.fill()
        left = self._left
        if left is None or (left > max(LOOKS_AHEAD, 2 * self._longest) and left % LOOKS_EVERY):
            return
        self._way = self._state.completion(min(left, LONGEST_WAY))
        self._longest = max(self._longest, len(self._way or ()))

    def _in_time(self, token: int) -> int:
        """Return the token, or the next on the way to the end if it leads too far from it."""
        if not self._way or self._left is None or self._left > self._longest + MARGIN:
            return token
        ahead = self._state.fork()
        ahead.take(token)
        in_time = ahead.ended or ahead.completion(self._left) is not None
        return token if in_time else self._way[0]

    def _settle(self) -> None:
        """Wait for the mask that is being made."""
        filling, self._filling = self._filling, None
        if filling is None:
            return
        try:
            filling.result()
        except BadGrammar as error:
            self._give_up(error)

    def _give_up(self, error: BadGrammar) -> None:
        # The library's mask allows the end alone from here on, which ends the answer.
        self.trouble = self.trouble or str(error)


def _on_a_deep_stack(
    pool: ThreadPoolExecutor,
    work: Callable[[bytes, Constraint], State],
    key: bytes,
    constraint: Constraint,
) -> Future[State]:
    """Start work in a pool; a thread that begins for it has room for deeply nested rules.

    The library calls itself for each, and a stack that ends takes the process with it.
    """
    with _spawning:
        before = threading.stack_size(_STACK)
        try:
            return pool.submit(work, key, constraint)
        finally:
            threading.stack_size(before)
