"""llama.cpp behind the engine's port, through its low-level API.

Every sequence has its own part of the KV cache unless `unified_kv` says otherwise, and the batch
goes in ascending order of sequences: llama.cpp computes tokens together only while their
sequence numbers rise by one (2.7 times slower in any other order).
"""

import ctypes
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import llama_cpp as library
import numpy as np

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Image, Sampling
from lmctl.runner.choosing import Logits
from lmctl.runner.cores import Cores, Guest
from lmctl.runner.llamacpp import load as loading
from lmctl.runner.llamacpp.batch import Batch
from lmctl.runner.llamacpp.borrowed import origin
from lmctl.runner.llamacpp.embedding import LlamaEmbedder
from lmctl.runner.llamacpp.facts import facts
from lmctl.runner.llamacpp.library import complaints, tokenized
from lmctl.runner.llamacpp.load import Handles
from lmctl.runner.llamacpp.memory import Memory
from lmctl.runner.llamacpp.sampling import Sampler
from lmctl.runner.llamacpp.vision import Eye
from lmctl.runner.llamacpp.vocabulary import check_same
from lmctl.runner.logprobs import LogProbabilities
from lmctl.runner.port import Bell, Feed, Full, Interrupted, Matcher, Picture, Sampled

_PIECE: Final = 512


def load(
    paths: Sequence[Path],
    settings: LoadSettings,
    *,
    progress: Callable[[float], bool],
    meeting: Path | None = None,
    projector: Path | None = None,
) -> "LlamaEngine | LlamaEmbedder":
    """Load a GGUF model, in one file or in parts, for what it can do; engines that name the same
    folder as `meeting` share the cores. With a `projector` it sees. Raises LoadFailed.
    """
    handles = loading.load(paths, settings, progress=progress)
    cores = Cores(meeting, settings.threads)
    if handles.embeds:
        return LlamaEmbedder(handles, settings, cores)
    try:
        eye = Eye(projector, handles.model, settings) if projector else None
    except BaseException:
        handles.close()
        raise
    return LlamaEngine(handles, settings, cores, eye=eye)


def load_draft(
    paths: Sequence[Path],
    settings: LoadSettings,
    target: "LlamaEngine",
    *,
    names: tuple[str, str],
    progress: Callable[[float], bool],
) -> "LlamaEngine":
    """Load a second model that guesses tokens for the first; `names` are of both, the first one's
    first. Raises LoadFailed, also where their vocabularies differ.
    """
    handles = loading.load(paths, settings, progress=progress)
    try:
        check_same(target.handles, handles, names=names)
    except BaseException:
        handles.close()
        raise
    return LlamaEngine(handles, settings, Guest(target.cores))


class LlamaEngine:
    """A loaded GGUF model with one context of many sequences."""

    def __init__(
        self,
        handles: Handles,
        settings: LoadSettings,
        cores: Cores | Guest,
        *,
        eye: Eye | None = None,
    ) -> None:
        self.handles = handles
        self._eye = eye
        self.cores = cores
        self._threads = 0
        self._context = handles.context
        self._vocabulary = library.llama_model_get_vocab(handles.model)
        self._memory = Memory(handles.model, self._context, shared=settings.unified_kv)
        self._seed = settings.seed
        self._samplers: dict[int, Sampler] = {}
        # Asked for every token of an answer; what llama.cpp says of a token never changes.
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}
        self._batch = Batch(library.llama_n_batch(self._context))
        self._bell = Bell()
        self._abort = library.ggml_abort_callback(self._goes_on)
        self._never = ctypes.cast(0, library.ggml_abort_callback)
        self._moved = False
        self.facts = facts(handles, settings, self._memory, vision=eye is not None)

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        return tokenized(self._vocabulary, text, add_bos=add_bos, parse_special=parse_special)

    def piece(self, token: int) -> bytes:
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token)
        return known

    def _piece(self, token: int) -> bytes:
        room = ctypes.create_string_buffer(_PIECE)
        found = library.llama_token_to_piece(self._vocabulary, token, room, _PIECE, 0, False)  # noqa: FBT003 - C
        return room.raw[: max(found, 0)]

    def pieces(self) -> list[bytes]:
        return [self._piece(token) for token in range(self.facts.vocabulary)]

    def is_end(self, token: int) -> bool:
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(library.llama_vocab_is_eog(self._vocabulary, token))
        return known

    def begin(
        self,
        sequence: int,
        sampling: Sampling,
        prompt: Sequence[int],
        *,
        matcher: Matcher | None = None,
        logprobs: int | None = None,
    ) -> None:
        self._memory.open(sequence)
        words = [token for token in prompt if token >= 0]  # what stands for pictures is no word
        self._samplers[sequence] = Sampler(
            sampling,
            seed=self._seed,
            vocabulary=self.facts.vocabulary,
            history=words,
            matcher=matcher,
            logprobs=logprobs,
        )

    def step(self, feeds: Sequence[Feed], bell: Bell) -> list[list[Sampled]]:
        rows = self._batch.fill(feeds, [self._memory.read(feed.sequence) for feed in feeds])
        self._listen(feeds, bell)
        self._share_cores()
        code = library.llama_decode(self._context, self._batch.native)
        self._moved = False
        if code != 0:
            self._memory.undo(feeds)
            raise _trouble(code)
        self._memory.grow(feeds)
        return [self._sample(feed, row) for feed, row in zip(feeds, rows, strict=True)]

    def see(self, image: Image) -> list[Picture | list[int]]:
        if self._eye is None:
            return []
        return self._eye.see(image, batch=library.llama_n_ubatch(self._context))

    def look(self, sequence: int, picture: Picture, bell: Bell) -> None:
        if self._eye is None:
            return
        library.llama_set_abort_callback(self._context, self._never, None)
        self._share_cores()
        begin = self._memory.read(sequence)
        code = self._eye.look(self._context, picture, sequence, begin, bell)
        if code != 0:
            self._memory.undo([Feed(sequence, (), 0)])
            raise _trouble(code)
        self._memory.advance(sequence, picture.span)

    @property
    def saved_as(self) -> str:
        return f"llama.cpp of {origin()}"

    def save(self, sequence: int, tokens: Sequence[int], path: Path) -> None:
        self._memory.save(sequence, tokens, path)

    def restore(self, sequence: int, path: Path) -> list[int]:
        return self._memory.restore(sequence, path, most=self.facts.context_length)

    def copy(self, source: int, target: int) -> None:
        self._memory.copy(source, target)

    def cuttable(self, sequence: int) -> int:
        return self._memory.cuttable(sequence)

    def cut(self, sequence: int, begin: int) -> None:
        self._memory.cut(sequence, begin)

    def shift(self, sequence: int, *, keep: int, discard: int) -> None:
        self._memory.shift(sequence, keep=keep, discard=discard)
        self._moved = True

    def rest(self, sequence: int) -> None:
        self._samplers.pop(sequence).close()
        if not self._samplers:
            self.cores.leave()

    def forget(self, sequence: int) -> None:
        if sequence in self._samplers:
            self.rest(sequence)
        self._memory.forget(sequence)

    def close(self) -> None:
        self.cores.close()
        for sampler in self._samplers.values():
            sampler.close()
        self._samplers.clear()
        if self._eye is not None:
            self._eye.close()
        self.handles.close()

    def _share_cores(self) -> None:
        """Use as many threads as are ours while others are at work too."""
        threads = self.cores.share()
        if threads != self._threads:
            self._threads = threads
            library.llama_set_n_threads(self._context, threads, threads)

    def _listen(self, feeds: Sequence[Feed], bell: Bell) -> None:
        """Let the bell break the step off, if it is long and can be undone.

        The callback runs between all nodes of the graph: only a prompt is worth its price. Moved
        tokens are turned to their new places at the begin of the next step, which must not end
        halfway.
        """
        self._bell = bell
        reads = any(len(feed.tokens) > max(feed.wants, 1) for feed in feeds)
        heard = reads and not self._moved
        callback = self._abort if heard else self._never
        library.llama_set_abort_callback(self._context, callback, None)

    def _goes_on(self, _data: Any) -> bool:
        """Say whether to break the step off; being asked shows that it gets on."""
        self._bell.beat()
        return self._memory.can_cut and self._bell.is_set()

    def _sample(self, feed: Feed, row: int) -> list[Sampled]:
        """Choose after each row wanted, up to the first guess that was wrong."""
        sampler = self._samplers[feed.sequence]
        guessed = feed.tokens[len(feed.tokens) - feed.wants + 1 :]
        found: list[Sampled] = []
        for place in range(feed.wants):
            found.append(self._choose(sampler, row + place))
            if sampler.ended or found[-1].token != next(iter(guessed[place:]), None):
                break
        return found

    def _choose(self, sampler: Sampler, row: int) -> Sampled:
        pointer = library.llama_get_logits_ith(self._context, row)
        logits: Logits = np.ctypeslib.as_array(pointer, (self.facts.vocabulary,))
        if sampler.logprobs is None:
            return Sampled(sampler.choose(logits, context=self._context, row=row))
        told = LogProbabilities(logits)  # before the sampler changes the logits
        token = sampler.choose(logits, context=self._context, row=row)
        return Sampled(token, told.of(token, sampler.logprobs, piece=self.piece))


def _trouble(code: int) -> Exception:
    """Return what `llama_decode` meant: 1 no room in the cache, 2 aborted, below 0 broken."""
    match code:
        case 1:
            return Full()
        case 2:
            return Interrupted()
        case _:
            return EngineFailed(str(complaints.failure(f"llama.cpp failed with {code}")))
