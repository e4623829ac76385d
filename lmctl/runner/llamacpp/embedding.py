"""A GGUF model that turns texts into vectors, behind the engine's port.

The texts of a step are sequences of one batch, each read from its beginning to its end; nothing is
kept between steps. What a model's vectors of tokens become one vector by is in its header: their
mean, the first, or the last.
"""

import ctypes
from collections.abc import Sequence
from typing import Any

import llama_cpp as library
import numpy as np

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import LoadSettings
from lmctl.planning.embedding import TOGETHER, longest_text
from lmctl.runner.cores import Cores
from lmctl.runner.llamacpp.batch import Batch
from lmctl.runner.llamacpp.facts import embedding_facts
from lmctl.runner.llamacpp.library import complaints, tokenized
from lmctl.runner.llamacpp.load import Handles
from lmctl.runner.port import Bell, Feed, Interrupted

_ABORTED = 2


class LlamaEmbedder:
    """A loaded embedding model with one context of many texts."""

    def __init__(self, handles: Handles, settings: LoadSettings, cores: Cores) -> None:
        self._handles = handles
        self._cores = cores
        self._context = handles.context
        self._vocabulary = library.llama_model_get_vocab(handles.model)
        self._memory = library.llama_get_memory(self._context)
        self._batch = Batch(library.llama_n_batch(self._context))
        self._bell = Bell()
        self._abort = library.ggml_abort_callback(self._goes_on)
        library.llama_set_abort_callback(self._context, self._abort, None)
        trained = int(library.llama_model_n_ctx_train(handles.model))
        self.facts = embedding_facts(
            handles, slots=TOGETHER, longest=longest_text(settings, trained)
        )

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        return tokenized(self._vocabulary, text, add_bos=add_bos, parse_special=parse_special)

    def embed(self, texts: Sequence[Sequence[int]], bell: Bell) -> list[bytes]:
        self._bell = bell
        feeds = [Feed(number, tokens, len(tokens)) for number, tokens in enumerate(texts)]
        self._batch.fill(feeds, [0] * len(feeds))
        threads = self._cores.share()
        library.llama_set_n_threads(self._context, threads, threads)
        code = library.llama_decode(self._context, self._batch.native)
        self._cores.leave()
        if self._memory:
            library.llama_memory_clear(self._memory, False)  # noqa: FBT003 - C
        if code == _ABORTED:
            raise Interrupted
        if code != 0:
            raise EngineFailed(str(complaints.failure(f"llama.cpp failed with {code}")))
        return [self._vector(feed.sequence) for feed in feeds]

    def close(self) -> None:
        self._cores.close()
        self._handles.close()

    def _goes_on(self, _data: Any) -> bool:
        """Say whether to break the step off; being asked shows that it gets on."""
        self._bell.beat()
        return self._bell.is_set()

    def _vector(self, sequence: int) -> bytes:
        pointer = library.llama_get_embeddings_seq(self._context, sequence)
        vector = np.ctypeslib.as_array(ctypes.cast(pointer, _FLOATS), (self.facts.dimensions,))
        length = float(np.linalg.norm(vector.astype(np.float64)))
        return (vector / np.float32(length or 1.0)).astype("<f4").tobytes()


_FLOATS = ctypes.POINTER(ctypes.c_float)
