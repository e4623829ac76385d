"""Weights and settings become a llama.cpp model and context, or a reason why not."""

import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import llama_cpp as library
import structlog

from lmctl.base.spec import FailureKind, LoadSettings
from lmctl.planning.embedding import POOLED, as_embedding, embeds
from lmctl.runner.cores import available_cores
from lmctl.runner.llamacpp import placing
from lmctl.runner.llamacpp.library import complaints, kv_type, said, start
from lmctl.runner.port import LoadFailed

Progress = Callable[[float], bool]

_ALL_LAYERS: Final = -1
_OUTPUT_LAYER: Final = 1
_OF_GPUS: Final = ("offload_ratio", "cpu_experts", "gpus")
_FLASH: Final = {
    None: library.LLAMA_FLASH_ATTN_TYPE_AUTO,
    True: library.LLAMA_FLASH_ATTN_TYPE_ENABLED,
    False: library.LLAMA_FLASH_ATTN_TYPE_DISABLED,
}


log = structlog.get_logger("lmctl.runner")


@dataclass(frozen=True, slots=True)
class Handles:
    """Pointers into the library; `close` frees them. `embeds`: the context answers with vectors."""

    model: Any
    context: Any
    embeds: bool = False

    def close(self) -> None:
        library.llama_free(self.context)
        library.llama_model_free(self.model)


def load(paths: Sequence[Path], settings: LoadSettings, *, progress: Progress) -> Handles:
    """Return a model and a context made as the settings say.

    Raises LoadFailed: CAPACITY when memory is short, TRANSIENT when `progress` called it off,
    CONFIG for everything that will fail again (no such file, unknown architecture, damaged file,
    settings that contradict each other).
    """
    _check(paths, settings)
    start()
    complaints.forget()
    model = _model(paths, settings, progress)
    try:
        embeds = is_embedding(model)
        params = embedding_params(model, settings) if embeds else context_params(settings)
        return Handles(model, _context(model, params), embeds)
    except BaseException:
        library.llama_model_free(model)
        raise


def _check(paths: Sequence[Path], settings: LoadSettings) -> None:
    for path in paths:
        if not path.is_file():
            raise LoadFailed(f"there is no file {path}", kind=FailureKind.CONFIG)
    if settings.kv_value_type not in {"f16", "f32"} and settings.flash_attention is False:
        raise LoadFailed(
            f"the V cache can be {settings.kv_value_type} only with flash attention",
            kind=FailureKind.CONFIG,
            hint="turn `flashAttention` on, or leave `vCacheQuantizationType` at f16",
        )


def _model(paths: Sequence[Path], settings: LoadSettings, progress: Progress) -> Any:
    called_off = False

    def report(share: float, _data: Any) -> bool:
        nonlocal called_off
        called_off = not progress(share)
        return not called_off

    callback = library.llama_progress_callback(report)
    params = library.llama_model_default_params()
    params.load_mode = _load_mode(settings)
    params.progress_callback = callback
    alive = _placed(params, paths, settings)
    model = _open(paths, params)
    del alive
    if model:
        return model
    if called_off:
        raise LoadFailed("the load was called off", kind=FailureKind.TRANSIENT)
    raise complaints.failure(f"llama.cpp cannot load {paths[0].name}")


def _open(paths: Sequence[Path], params: Any) -> Any:
    """Return a model or None; several paths are the parts of one model, in order."""
    if len(paths) == 1:
        return library.llama_model_load_from_file(os.fsencode(paths[0]), params)
    names = (ctypes.c_char_p * len(paths))(*[os.fsencode(path) for path in paths])
    return library.llama_model_load_from_splits(names, len(paths), params)


@dataclass(frozen=True, slots=True)
class _Header:
    """What decides where the numbers of a model go; `layers` counts the output layer too."""

    architecture: str
    layers: int
    experts: int


def _header(paths: Sequence[Path]) -> _Header:
    """Read what a model says of itself, and no numbers. Raises LoadFailed."""
    params = library.llama_model_default_params()
    params.vocab_only = True
    model = _open(paths, params)
    if not model:
        raise complaints.failure(f"llama.cpp cannot read {paths[0].name}")
    try:
        architecture = said(model, "general.architecture")
        experts = said(model, f"{architecture}.expert_count")
        layers = int(library.llama_model_n_layer(model)) + _OUTPUT_LAYER
        return _Header(architecture, layers, int(experts or 0))
    finally:
        library.llama_model_free(model)


def _placed(params: Any, paths: Sequence[Path], settings: LoadSettings) -> list[Any]:
    """Say how many experts are used and where all goes; what is returned must live until the model
    is loaded. What asks for a GPU where there is none has no effect, and the log tells so.
    """
    usual, there = LoadSettings(), placing.gpus()
    asked = [name for name in _OF_GPUS if getattr(settings, name) != getattr(usual, name)]
    if not there and asked:
        log.warning("without effect: this llama.cpp has no GPU", settings=asked)
    params.n_gpu_layers = _ALL_LAYERS if there else 0
    if not settings.experts and not there:
        return []
    header = _header(paths)
    alive: list[Any] = []
    if settings.experts and header.experts:
        _check_experts(settings.experts, header.experts)
        alive.append(placing.experts_used(header.architecture, settings.experts))
        params.kv_overrides = alive[-1]
    if there:
        params.n_gpu_layers = _gpu_layers(settings.offload_ratio, header.layers)
        alive += placing.place(params, settings.gpus, there)
        if settings.cpu_experts and header.experts:
            alive.append(
                placing.experts_on_processor(settings.cpu_experts, header.layers - _OUTPUT_LAYER)
            )
            params.tensor_buft_overrides = ctypes.cast(alive[-1], ctypes.c_void_p)
    return alive


def _check_experts(wanted: int, there: int) -> None:
    if wanted > there:
        raise LoadFailed(
            f"a token cannot go to {wanted} experts: the model has {there}",
            kind=FailureKind.CONFIG,
            hint="lower `numExperts`, or leave it out",
        )


def _gpu_layers(ratio: float, layers: int) -> int:
    """Return how many layers go to the GPU: the ratio of all."""
    return _ALL_LAYERS if ratio >= 1 else round(max(ratio, 0) * layers)


def _load_mode(settings: LoadSettings) -> int:
    if settings.direct_io:
        return int(library.LLAMA_LOAD_MODE_DIRECT_IO)
    match settings.use_mmap, settings.keep_in_memory:
        case True, True:
            found = library.LLAMA_LOAD_MODE_MMAP_MLOCK
        case True, False:
            found = library.LLAMA_LOAD_MODE_MMAP
        case False, True:
            found = library.LLAMA_LOAD_MODE_MLOCK
        case _:
            found = library.LLAMA_LOAD_MODE_NONE
    return int(found)


def _context(model: Any, params: Any) -> Any:
    context = library.llama_init_from_model(model, params)
    if not context:
        raise complaints.failure(f"llama.cpp cannot make a context of {params.n_ctx} tokens")
    return context


def context_params(settings: LoadSettings) -> Any:
    """Return what a context is made with."""
    params = library.llama_context_default_params()
    sequences = 1 if settings.unified_kv else settings.parallel
    params.n_ctx = settings.context_length * sequences
    params.n_seq_max = settings.parallel
    params.n_batch = max(settings.batch_size, settings.parallel + 1)
    params.n_ubatch = min(settings.physical_batch_size, params.n_batch)
    # More outputs than this would abort the process; the default reserves one per batch token.
    params.n_outputs_max = settings.most_wanted
    params.n_threads = params.n_threads_batch = settings.threads or available_cores()
    params.kv_unified = settings.unified_kv
    params.flash_attn_type = _FLASH[settings.flash_attention]
    params.type_k = kv_type(settings.kv_key_type)
    params.type_v = kv_type(settings.kv_value_type)
    params.offload_kqv = settings.offload_kv
    params.rope_freq_base = settings.rope_frequency_base or 0.0
    params.rope_freq_scale = settings.rope_frequency_scale or 0.0
    params.no_perf = True
    # A block that looks back through a window keeps the window and one step, not every token. What
    # a step writes over was out of sight before it began, so an interrupted step can be taken back.
    params.swa_full = False
    return params


def is_embedding(model: Any) -> bool:
    """Say whether a model answers with vectors. Raises LoadFailed for one that ranks pairs of texts."""
    pooling = _pooling(model)
    if pooling == library.LLAMA_POOLING_TYPE_RANK:
        raise LoadFailed(
            "this model ranks texts against a question, and nothing here asks for that",
            kind=FailureKind.CONFIG,
            hint="load one for text or for embeddings",
        )
    return embeds(said(model, "general.architecture"), pooling)


def embedding_params(model: Any, settings: LoadSettings) -> Any:
    """Return what the context of an embedding model is made with."""
    trained = int(library.llama_model_n_ctx_train(model))
    params = context_params(as_embedding(settings, trained))
    params.embeddings = True
    params.n_outputs_max = params.n_batch  # every token of a text is part of its vector
    if _pooling(model) not in POOLED:
        params.pooling_type = library.LLAMA_POOLING_TYPE_MEAN
    return params


def _pooling(model: Any) -> int | None:
    text = said(model, f"{said(model, 'general.architecture')}.pooling_type")
    return int(text) if text.isdigit() else None
