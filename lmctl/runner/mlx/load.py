"""Weights and settings become a model of mlx-lm, or a reason why not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_lm.generate import maybe_quantize_kv_cache
from mlx_lm.models.cache import QuantizedKVCache, make_prompt_cache
from mlx_lm.utils import load_config, load_model, maybe_set_recommended_wired_limit

from lmctl.base.spec import FailureKind, LoadSettings
from lmctl.runner.mlx.alone import Alone
from lmctl.runner.mlx.rows import Rows, fits
from lmctl.runner.mlx.tokens import Tokens
from lmctl.runner.port import LoadFailed

Progress = Callable[[float], bool]
Named = Sequence[tuple[str, Path]]

_TOGETHER: Final = 32
"""Tensors that are read between two looks at whether the load was called off."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model, by what computes with it and keeps what it has read, and its tokenizer."""

    tokens: Tokens
    memory: Rows | Alone
    architecture: str
    vocabulary: int


def load(files: Named, settings: LoadSettings, *, progress: Progress) -> Opened:
    """Return a model read from files, by their names in an MLX folder.

    Raises LoadFailed: CAPACITY when memory is short, TRANSIENT when `progress` called it off,
    CONFIG for everything that will fail again.
    """
    if mx.default_device() == mx.cpu:
        mx.disable_compile()  # on a CPU it starts a C++ compiler, which may not be there
    # mlx-lm reads folders; when all is read, nothing looks there any more.
    with TemporaryDirectory(prefix="lmctl-mlx-") as linked:
        folder = Path(linked)
        for name, path in files:
            (folder / Path(name).name).symlink_to(path.absolute())
        return _opened(folder, settings, progress)


def _opened(folder: Path, settings: LoadSettings, progress: Progress) -> Opened:
    tokens = Tokens(folder)
    maybe_set_recommended_wired_limit()  # on a GPU, so that weights stay where it finds them
    try:
        model, _ = load_model(folder, lazy=True)
        _read(model, progress)
        return Opened(
            tokens=tokens,
            memory=_memory(model, settings),
            architecture=str(load_config(folder).get("model_type", "")),
            # Only the shape: nothing is computed.
            vocabulary=model(mx.zeros((1, 1), mx.int32)).shape[-1],
        )
    except MemoryError as error:
        raise LoadFailed("there is not enough memory", kind=FailureKind.CAPACITY) from error
    except (ImportError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise LoadFailed(f"mlx-lm cannot load it: {error}", kind=FailureKind.CONFIG) from error


def _read(model: Any, progress: Progress) -> None:
    """Read the weights, a few tensors at a time."""
    tensors = [tensor for _, tensor in tree_flatten(model.parameters())]
    for done in range(0, len(tensors), _TOGETHER):
        if not progress(done / len(tensors)):
            raise LoadFailed("the load was called off", kind=FailureKind.TRANSIENT)
        mx.eval(tensors[done : done + _TOGETHER])
    progress(1.0)


def _memory(model: Any, settings: LoadSettings) -> Rows | Alone:
    made = partial(make_prompt_cache, model)
    caches = made()
    if settings.kv_quantized is not None:
        bits, group, begin = settings.kv_quantized
        _check_quantized(model, caches, bits=bits, group=group)
        return Alone(model, made, after=partial(_quantize, bits=bits, group=group, begin=begin))
    if fits(caches):
        rows = Rows(model, caches, slots=settings.parallel, longest=settings.context_length)
        if settings.parallel > 1:
            rows.try_together()
        return rows
    return Alone(model, made, after=lambda _caches: None)


def _quantize(caches: list[Any], *, bits: int, group: int, begin: int) -> None:
    maybe_quantize_kv_cache(caches, begin, group, bits)


def _check_quantized(model: Any, caches: list[Any], *, bits: int, group: int) -> None:
    """Raise LoadFailed unless the model can read two tokens from keys and values kept like that."""
    try:
        for _ in range(2):
            mx.eval(model(mx.zeros((1, 1), mx.int32), cache=caches))
            _quantize(caches, bits=bits, group=group, begin=0)
    except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
        raise LoadFailed(
            f"this model's keys and values cannot be quantized to {bits} bits in groups of {group}:"
            f" {error}",
            kind=FailureKind.CONFIG,
            hint="choose another `groupSize`, or turn `mlxKvCacheQuantization` off",
        ) from error
    if not any(isinstance(each, QuantizedKVCache) for each in caches):
        raise LoadFailed(
            "this model keeps nothing that can be quantized",
            kind=FailureKind.CONFIG,
            hint="turn `mlxKvCacheQuantization` off",
        )
