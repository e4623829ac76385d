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
from lmctl.base.talk import Sampling
from lmctl.runner.cores import Cores
from lmctl.runner.llamacpp import load as loading
from lmctl.runner.llamacpp.batch import Batch
from lmctl.runner.llamacpp.library import complaints
from lmctl.runner.llamacpp.load import Handles
from lmctl.runner.llamacpp.sampling import Logits, Sampler
from lmctl.runner.port import Bell, Facts, Feed, Full, Interrupted

_PIECE: Final = 512
_END: Final = -1  # as the end of a range of positions: all that come after


def load(
    paths: Sequence[Path],
    settings: LoadSettings,
    *,
    progress: Callable[[float], bool],
    meeting: Path | None = None,
) -> "LlamaEngine":
    """Load a GGUF model, in one file or in parts; engines that name the same folder as `meeting`
    share the cores. Raises LoadFailed.
    """
    handles = loading.load(paths, settings, progress=progress)
    return LlamaEngine(handles, settings, Cores(meeting, settings.threads))


class LlamaEngine:
    """A loaded GGUF model with one context of many sequences."""

    def __init__(self, handles: Handles, settings: LoadSettings, cores: Cores) -> None:
        self._handles = handles
        self._cores = cores
        self._threads = 0
        self._context = handles.context
        self._vocabulary = library.llama_model_get_vocab(handles.model)
        self._memory = library.llama_get_memory(self._context)
        self._seed = settings.seed
        self._samplers: dict[int, Sampler] = {}
        self._positions: dict[int, int] = {}
        self._batch = Batch(library.llama_n_batch(self._context))
        self._bell = Bell()
        self._abort = library.ggml_abort_callback(self._goes_on)
        self._never = ctypes.cast(0, library.ggml_abort_callback)
        # A recurrent state cannot be taken back, so an interrupted step could not be undone.
        recurrent = library.llama_model_is_recurrent(handles.model)
        self._can_undo = not (recurrent or library.llama_model_is_hybrid(handles.model))
        self.facts = _facts(handles, settings)

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        raw = text.encode()
        size = len(raw) + 8
        for _ in range(2):
            room = (ctypes.c_int32 * size)()
            found = library.llama_tokenize(
                self._vocabulary, raw, len(raw), room, size, add_bos, parse_special
            )
            if found >= 0:
                return room[:found]
            size = -found
        raise EngineFailed("llama.cpp could not tokenize the prompt")

    def piece(self, token: int) -> bytes:
        room = ctypes.create_string_buffer(_PIECE)
        found = library.llama_token_to_piece(self._vocabulary, token, room, _PIECE, 0, False)  # noqa: FBT003 - C
        return room.raw[: max(found, 0)]

    def is_end(self, token: int) -> bool:
        return bool(library.llama_vocab_is_eog(self._vocabulary, token))

    def begin(self, sequence: int, sampling: Sampling, prompt: Sequence[int]) -> None:
        self._samplers[sequence] = Sampler(sampling, seed=self._seed, history=prompt)
        self._positions[sequence] = 0

    def step(self, feeds: Sequence[Feed], bell: Bell) -> list[int | None]:
        rows = self._batch.fill(feeds, [self._positions[feed.sequence] for feed in feeds])
        # The callback runs between all nodes of the graph: only a prompt is worth its price.
        self._bell = bell
        long = any(len(feed.tokens) > 1 for feed in feeds)
        library.llama_set_abort_callback(self._context, self._abort if long else self._never, None)
        self._share_cores()
        code = library.llama_decode(self._context, self._batch.native)
        if code != 0:
            self._undo(feeds)
            raise _trouble(code)
        for feed in feeds:
            self._positions[feed.sequence] += len(feed.tokens)
        return [
            self._sample(feed, row) if feed.wants else None
            for feed, row in zip(feeds, rows, strict=True)
        ]

    def forget(self, sequence: int) -> None:
        library.llama_memory_seq_rm(self._memory, sequence, _END, _END)
        self._samplers.pop(sequence).close()
        del self._positions[sequence]
        if not self._positions:
            self._cores.leave()

    def close(self) -> None:
        self._cores.close()
        for sampler in self._samplers.values():
            sampler.close()
        self._samplers.clear()
        self._handles.close()

    def _share_cores(self) -> None:
        """Use as many threads as are ours while others are at work too."""
        threads = self._cores.share()
        if threads != self._threads:
            self._threads = threads
            library.llama_set_n_threads(self._context, threads, threads)

    def _goes_on(self, _data: Any) -> bool:
        """Say whether to break the step off; being asked shows that it gets on."""
        self._bell.beat()
        return self._can_undo and self._bell.is_set()

    def _sample(self, feed: Feed, row: int) -> int:
        pointer = library.llama_get_logits_ith(self._context, row)
        logits: Logits = np.ctypeslib.as_array(pointer, (self.facts.vocabulary,))
        return self._samplers[feed.sequence].choose(logits, context=self._context, row=row)

    def _undo(self, feeds: Sequence[Feed]) -> None:
        """Take back the part of a step that was computed before it ended."""
        for feed in feeds:
            begin = self._positions[feed.sequence]
            library.llama_memory_seq_rm(self._memory, feed.sequence, begin, _END)


def _trouble(code: int) -> Exception:
    """Return what `llama_decode` meant: 1 no room in the cache, 2 aborted, below 0 broken."""
    match code:
        case 1:
            return Full()
        case 2:
            return Interrupted()
        case _:
            return EngineFailed(str(complaints.failure(f"llama.cpp failed with {code}")))


def _facts(handles: Handles, settings: LoadSettings) -> Facts:
    vocabulary = library.llama_model_get_vocab(handles.model)
    template = library.llama_model_chat_template(handles.model, None)
    context_length = int(library.llama_n_ctx_seq(handles.context))
    physical = int(library.llama_n_ubatch(handles.context))
    return Facts(
        architecture=_metadata(handles.model, "general.architecture"),
        context_length=min(context_length, settings.context_length),
        slots=settings.parallel,
        step_tokens=max(physical, settings.parallel + 1),
        vocabulary=int(library.llama_vocab_n_tokens(vocabulary)),
        chat_template=template.decode() if template else None,
        bos=_token_text(vocabulary, library.llama_vocab_bos(vocabulary)),
        eos=_token_text(vocabulary, library.llama_vocab_eos(vocabulary)),
        adds_bos=bool(library.llama_vocab_get_add_bos(vocabulary)),
    )


def _token_text(vocabulary: Any, token: int) -> str:
    if token < 0:
        return ""
    return bytes(library.llama_vocab_get_text(vocabulary, token)).decode()


def _metadata(model: Any, key: str) -> str:
    room = ctypes.create_string_buffer(256)
    library.llama_model_meta_val_str(model, key.encode(), room, len(room))
    return room.value.decode(errors="replace")
