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
PATIENCE: Final = 15.0
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

    def matcher(self, constraint: Constraint, *, waits: bool = False) -> "GrammarMatcher":
        """Return a matcher for a new answer; one that `waits` allows all until its `begin`.

        Raises BadRequest when the constraint cannot be kept.
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
        return GrammarMatcher(state.fork(), self._masks, waits=waits)

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
            self._vocabulary = Vocabulary(pieces, ends, self._tokenize)
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

    def _tokenize(self, text: str) -> list[int]:
        return self._engine.tokenize(text, add_bos=False, parse_special=False)


class GrammarMatcher:
    """The port's Matcher for one answer."""

    def __init__(self, state: State, pool: Executor, *, waits: bool) -> None:
        self._state = state
        self._waits = waits
        self._pool = pool
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
        return memoryview(self._state.words)

    def accept(self, token: int) -> None:
        if self._waits:
            return
        self._settle()
        try:
            self._state.take(token)
        except BadGrammar as error:
            self._give_up(error)
        if not self.ended:
            self._filling = self._pool.submit(self._state.fill)

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
