"""The devices a build of llama.cpp can compute on, and what it uses of the processor."""

import ctypes
import re
from typing import Any, Final

import llama_cpp as library
from llama_cpp._ggml import libggml

_KINDS: Final = {0: "cpu", 1: "gpu", 2: "igpu", 3: "accelerator"}
_ON: Final = re.compile(r"(\w+) = 1")


def hardware() -> dict[str, Any]:
    """Return features of the processor it was built for, and its devices with their memory in bytes."""
    library.llama_backend_init()
    libggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    count = libggml.ggml_backend_dev_count()
    found = (libggml.ggml_backend_dev_get(ctypes.c_size_t(number)) for number in range(count))
    features = library.llama_print_system_info().decode(errors="replace")
    return {"features": _ON.findall(features), "devices": [_device(each) for each in found]}


def _device(handle: int) -> dict[str, Any]:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    device = ctypes.c_void_p(handle)
    for name in ("name", "description"):
        getattr(libggml, f"ggml_backend_dev_{name}").restype = ctypes.c_char_p
    libggml.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
    return {
        "name": libggml.ggml_backend_dev_name(device).decode(errors="replace"),
        "description": libggml.ggml_backend_dev_description(device).decode(errors="replace"),
        "kind": _KINDS.get(libggml.ggml_backend_dev_type(device), "other"),
        "memory": total.value,
        "free": free.value,
    }
