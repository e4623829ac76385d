"""The projector beside a model (`mmproj*.gguf`): it turns images into what the model reads.

A projector is native code that reads files of strangers: what breaks in it ends the runner, and
nothing else.
"""

import ctypes
import hashlib
import os
import weakref
from pathlib import Path
from typing import Any, Final

import llama_cpp as library
from llama_cpp import mtmd_cpp as mtmd

from lmctl.base.errors import BadRequest
from lmctl.base.spec import FailureKind, LoadSettings
from lmctl.base.talk import Image
from lmctl.runner.cores import available_cores
from lmctl.runner.llamacpp.library import complaints, on_log
from lmctl.runner.port import Bell, LoadFailed, Picture

_TEXT: Final = 0  # enum mtmd_input_chunk_type
_PARTS: Final = 64  # an image is cut into fewer
_NODES_A_BEAT: Final = 32


class Eye:
    """A projector and the model it belongs to."""

    def __init__(self, path: Path, model: Any, settings: LoadSettings) -> None:
        mtmd.mtmd_helper_log_set(on_log, ctypes.c_void_p(0))
        params = mtmd.mtmd_context_params_default()
        params.use_gpu = settings.offload_ratio > 0
        params.print_timings = params.warmup = False
        params.n_threads = settings.threads or available_cores()
        self._bell = Bell()
        self._nodes = 0
        self._evaluated = library.ggml_backend_sched_eval_callback(self._evaluate)
        params.cb_eval = self._evaluated
        self._native = mtmd.mtmd_init_from_file(os.fsencode(path), model, params)
        if not self._native:
            raise complaints.failure(f"llama.cpp cannot load the projector {path.name}")
        if not mtmd.mtmd_support_vision(self._native):
            self.close()
            raise LoadFailed(f"{path.name} sees no images", kind=FailureKind.CONFIG)

    def see(self, image: Image, *, batch: int) -> list[Picture | list[int]]:
        """Return what an image is in a prompt. Raises BadRequest when it cannot be read, or when
        the model must see more of it at once than a physical batch of so many tokens holds.

        May be used from any thread.
        """
        identity = int.from_bytes(hashlib.sha256(image.data).digest()[:8], "big")
        found: list[Picture | list[int]] = []
        for number, chunk in enumerate(self._chunks(image.data)):
            if mtmd.mtmd_input_chunk_get_type(chunk) == _TEXT:
                count = ctypes.c_size_t()
                tokens = mtmd.mtmd_input_chunk_get_tokens_text(chunk, ctypes.byref(count))
                found.append(tokens[: count.value])
                continue
            self._check_size(chunk, batch)
            mark = -1 - (identity * _PARTS + number)
            found.append(Picture(mtmd.mtmd_input_chunk_get_n_pos(chunk), mark, _Chunk(chunk)))
        return found

    def look(self, context: Any, picture: Picture, sequence: int, position: int, bell: Bell) -> int:
        """Let a sequence read a picture from a position on; return the code of `llama_decode`."""
        self._bell = bell
        after = ctypes.c_int32(position)
        code = mtmd.mtmd_helper_eval_chunk_single(
            self._native,
            context,
            picture.native.pointer,
            position,
            sequence,
            library.llama_n_batch(context),
            False,  # noqa: FBT003 - C: no logits, an image is not the last of a prompt
            ctypes.byref(after),
        )
        return int(code)

    def close(self) -> None:
        mtmd.mtmd_free(self._native)

    def _chunks(self, data: bytes) -> list[Any]:
        """Return copies of an image's chunks; `_Chunk` frees those that become pictures."""
        raw = (ctypes.c_uint8 * len(data)).from_buffer_copy(data)
        bitmap = mtmd.mtmd_helper_bitmap_init_from_buf(self._native, raw, len(data), False)  # noqa: FBT003 - C
        if not bitmap:
            raise BadRequest("an image cannot be decoded", param="messages")
        chunks = mtmd.mtmd_input_chunks_init()
        try:
            marker = mtmd.mtmd_get_marker(self._native) or mtmd.mtmd_default_marker()
            text = mtmd.mtmd_input_text(marker, len(marker), False, True)  # noqa: FBT003 - C
            bitmaps = (ctypes.c_void_p * 1)(bitmap)
            if mtmd.mtmd_tokenize(self._native, chunks, ctypes.byref(text), bitmaps, 1) != 0:
                raise BadRequest("an image is not what this model can see", param="messages")
            return [
                mtmd.mtmd_input_chunk_copy(mtmd.mtmd_input_chunks_get(chunks, number))
                for number in range(mtmd.mtmd_input_chunks_size(chunks))
            ]
        finally:
            mtmd.mtmd_input_chunks_free(chunks)
            mtmd.mtmd_bitmap_free(bitmap)

    def _check_size(self, chunk: Any, batch: int) -> None:
        size = mtmd.mtmd_input_chunk_get_n_tokens(chunk)
        if size > batch and mtmd.mtmd_decode_use_non_causal(self._native, chunk):
            raise BadRequest(
                f"this model sees an image at once, in {size} tokens, and a batch has {batch}",
                param="messages",
                hint="raise `physicalBatchSize` of the instance",
            )

    def _evaluate(self, _node: Any, ask: bool, _data: Any) -> bool:  # noqa: FBT001 - C
        """Say which nodes of the projector's graph to be told of: each is a sign of life."""
        self._nodes += 1
        self._bell.beat()
        return not ask or self._nodes % _NODES_A_BEAT == 0


class _Chunk:
    """A chunk of our own, freed with the picture."""

    def __init__(self, pointer: Any) -> None:
        self.pointer = pointer
        weakref.finalize(self, mtmd.mtmd_input_chunk_free, pointer)
