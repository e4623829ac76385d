"""Where the numbers of a model go: which GPUs get which share, and whose experts stay behind."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import llama_cpp as library
from llama_cpp._ggml import libggml

from lmctl.base.spec import FailureKind, GpuSplit
from lmctl.runner.port import LoadFailed

_GPUS: Final = (1, 2)  # enum ggml_backend_dev_type: with memory of its own, or sharing the host's
_EXPERTS: Final = r"blk\.({layers})\.ffn_(up|down|gate|gate_up)_(ch|)exps"


@dataclass(frozen=True, slots=True)
class Split:
    """GPUs in the order they are filled, how a layer goes to them, and the share of each (none: by
    their free memory).
    """

    gpus: tuple[int, ...]
    mode: int
    shares: tuple[float, ...] = ()


def split(wish: GpuSplit, count: int) -> Split:
    """Return how a model is shared out over so many GPUs. Raises LoadFailed for one that is not
    there, and for shares that are not one for each.
    """
    named = {*wish.disabled, *wish.priority}
    if missing := sorted(each for each in named if each >= count):
        raise _wrong(f"there is no GPU {missing[0]}: the engine lists {count}, from 0")
    gpus = [each for each in range(count) if each not in wish.disabled]
    match wish.strategy:
        case "priorityOrder":
            first = [each for each in dict.fromkeys(wish.priority) if each in gpus]
            others = [each for each in gpus if each not in first]
            return Split((*first, *others), library.LLAMA_SPLIT_MODE_LAYER)
        case "tensor":
            return Split(tuple(gpus), library.LLAMA_SPLIT_MODE_TENSOR)
        case "custom":
            if len(wish.ratio) != count:
                raise _wrong(f"`customRatio` has {len(wish.ratio)} shares for {count} GPUs")
            shares = tuple(wish.ratio[each] for each in gpus)
            return Split(tuple(gpus), library.LLAMA_SPLIT_MODE_LAYER, shares)
        case _:
            shares = (1.0,) * len(gpus)
            return Split(tuple(gpus), library.LLAMA_SPLIT_MODE_LAYER, shares)


def _wrong(message: str) -> LoadFailed:
    return LoadFailed(message, kind=FailureKind.CONFIG, hint="see `gpuSplitConfig`")


def gpus() -> tuple[int, ...]:
    """Return the addresses of the GPUs this build of the engine can use."""
    libggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    libggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    count = range(libggml.ggml_backend_dev_count())
    found = (libggml.ggml_backend_dev_get(ctypes.c_size_t(number)) for number in count)
    return tuple(each for each in found if libggml.ggml_backend_dev_type(each) in _GPUS)


def place(params: Any, wish: GpuSplit, there: Sequence[int]) -> tuple[Any, ...]:
    """Have a model shared out over GPUs; what is returned must live until it is loaded."""
    found = split(wish, len(there))
    devices = (ctypes.c_void_p * (len(found.gpus) + 1))(*(there[each] for each in found.gpus), None)
    shares = (ctypes.c_float * library.llama_max_devices())(*found.shares)
    params.devices = ctypes.cast(devices, ctypes.c_void_p)
    params.split_mode = found.mode
    if found.shares:
        params.tensor_split = shares
    return devices, shares


class _Override(ctypes.Structure):
    """`llama_model_tensor_buft_override`: where the tensors with such names lie."""

    _fields_ = (("pattern", ctypes.c_char_p), ("buffer", ctypes.c_void_p))


def experts_on_processor(share: float, layers: int) -> Any:
    """Return overrides that leave the experts of the first layers in the host's memory; they must
    live until the model is loaded.
    """
    names = "|".join(str(each) for each in range(round(share * layers)))
    libggml.ggml_backend_cpu_buffer_type.restype = ctypes.c_void_p
    row = _Override(_EXPERTS.format(layers=names).encode(), libggml.ggml_backend_cpu_buffer_type())
    return (_Override * 2)(row, _Override(None, None))


def experts_used(architecture: str, count: int) -> Any:
    """Return overrides that send each token to so many experts."""
    row = library.llama_model_kv_override(tag=library.LLAMA_KV_OVERRIDE_TYPE_INT)
    row.key = f"{architecture}.expert_used_count".encode()
    row.value.val_i64 = count
    return (library.llama_model_kv_override * 2)(row)
