"""llama.cpp's C library: its log caught, its numbers named, nothing of it on our stderr."""

import ctypes
import re
from collections import deque
from functools import lru_cache
from typing import Any, Final

import llama_cpp as library

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import FailureKind
from lmctl.runner.port import LoadFailed

KV_TYPES: Final[dict[str, int]] = {
    "f32": library.GGML_TYPE_F32,
    "f16": library.GGML_TYPE_F16,
    "q8_0": library.GGML_TYPE_Q8_0,
    "q5_1": library.GGML_TYPE_Q5_1,
    "q5_0": library.GGML_TYPE_Q5_0,
    "q4_1": library.GGML_TYPE_Q4_1,
    "q4_0": library.GGML_TYPE_Q4_0,
    "iq4_nl": library.GGML_TYPE_IQ4_NL,
}

_WARNING: Final = 3  # enum ggml_log_level
_ERROR: Final = 4
_SCARCE: Final = re.compile(
    r"out of memory|(?:failed|unable|cannot) to (?:allocate|reserve)|failed to alloc|"
    r"alloc\w* .*failed|cannot allocate memory|bad_alloc",
    re.IGNORECASE,
)


class Complaints:
    """The last things llama.cpp complained about, for the reason of a failure."""

    def __init__(self) -> None:
        self._lines: deque[tuple[int, str]] = deque(maxlen=16)

    def add(self, level: int, text: bytes, _data: Any) -> None:
        """Keep a line of the log; the library calls this from any of its threads."""
        if level in (_WARNING, _ERROR):
            self._lines.append((level, text.decode(errors="replace").strip()))

    def forget(self) -> None:
        """Start again: what was said so far does not belong to what comes next."""
        self._lines.clear()

    def failure(self, what: str) -> LoadFailed:
        """Return the error for something that came back as NULL, in the library's own words."""
        errors = [text for level, text in self._lines if level == _ERROR]
        said = errors or [text for _, text in self._lines]
        reason = "; ".join(dict.fromkeys(_without_function(text) for text in said[-4:]))
        scarce = any(_SCARCE.search(text) for _, text in self._lines)
        kind = FailureKind.CAPACITY if scarce else FailureKind.CONFIG
        hint = "lower `contextLength` or `parallel`, or unload something" if scarce else None
        return LoadFailed(f"{what}: {reason or 'llama.cpp gives no reason'}", kind=kind, hint=hint)


def _without_function(text: str) -> str:
    """Drop the name of the C function a line begins with."""
    return re.sub(r"^\w+: ", "", text)


complaints: Final = Complaints()
on_log: Final = library.llama_log_callback(complaints.add)


@lru_cache(maxsize=1)
def start() -> None:
    """Set the library up, once per process."""
    library.llama_log_set(on_log, ctypes.c_void_p(0))
    library.llama_backend_init()


def said(model: Any, key: str) -> str:
    """Return what a model's header says, as text; empty for nothing."""
    room = ctypes.create_string_buffer(256)
    library.llama_model_meta_val_str(model, key.encode(), room, len(room))
    return room.value.decode(errors="replace")


def tokenized(vocabulary: Any, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
    """Return the tokens of a text; `add_bos` frames it with all that the vocabulary wants around it."""
    raw = text.encode()
    size = len(raw) + 8
    for _ in range(2):
        room = (ctypes.c_int32 * size)()
        found = library.llama_tokenize(
            vocabulary, raw, len(raw), room, size, add_bos, parse_special
        )
        if found >= 0:
            return room[:found]
        size = -found
    raise EngineFailed("llama.cpp could not tokenize the prompt")


def kv_type(name: str) -> int:
    """Return the number of a KV cache type. Raises LoadFailed listing the known names."""
    try:
        return KV_TYPES[name]
    except KeyError:
        known = ", ".join(KV_TYPES)
        raise LoadFailed(
            f"{name!r} is no type of KV cache", kind=FailureKind.CONFIG, hint=f"known: {known}"
        ) from None
