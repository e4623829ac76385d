"""Ask llama.cpp what it would reserve for well-known models, without loading any.

    python tests/bench/reserved.py [NAME...]

Metadata is all it needs for that (`no_alloc`). Writes tests/unit/fit/reserved.json: run it after
llama.cpp was updated, and see what `pytest tests/unit/fit` says. Takes about a minute.
"""

import ctypes
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import llama_cpp as library
import msgspec

from lmctl.base.spec import LoadSettings
from lmctl.runner.llamacpp.load import context_params
from tests.support.gguf_file import gguf
from tests.support.zoo import ZOO, Metadata, vocabulary

RESULT = Path(__file__).parents[1] / "unit" / "fit" / "reserved.json"
SETTINGS = (
    LoadSettings(parallel=1),
    LoadSettings(parallel=4),
    LoadSettings(parallel=1, context_length=16384),
    LoadSettings(parallel=4, unified_kv=True),
    LoadSettings(parallel=1, kv_key_type="q8_0", kv_value_type="q8_0"),
    LoadSettings(parallel=1, kv_key_type="q5_1", kv_value_type="iq4_nl"),
    LoadSettings(parallel=1, context_length=2048, flash_attention=False),
    LoadSettings(parallel=3, context_length=1000, physical_batch_size=256),
    LoadSettings(parallel=1, context_length=8192, physical_batch_size=2048),
)
_LINES: list[str] = []


class _Params(ctypes.Structure):
    _fields_ = (("no_alloc", ctypes.c_bool), ("ctx", ctypes.c_void_p))


@library.llama_log_callback
def _log(_level: int, text: bytes, _data: Any) -> None:
    _LINES.append(text.decode(errors="replace"))


_nothing = library.llama_model_set_tensor_data_t(lambda _tensor, _data: None)


def reserved(metadata: Metadata) -> list[dict[str, float] | None]:
    """Return MiB of cache and of buffers for all settings; None where llama.cpp refuses."""
    model = _model(metadata)
    return [_context(model, each) for each in SETTINGS]


def _model(metadata: Metadata) -> Any:
    words = vocabulary(metadata)
    vocabulary_of_test = {
        "tokenizer.ggml.model": "test",
        "tokenizer.ggml.tokens": [f"t{n}" for n in range(words)],
        "tokenizer.ggml.scores": [0.0] * words,
    }
    base = ctypes.CDLL(str(Path(library.__file__).parent / "lib" / "libggml-base.so"))
    base.gguf_init_from_file.restype = ctypes.c_void_p
    base.gguf_init_from_file.argtypes = [ctypes.c_char_p, _Params]
    with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
        file.write(gguf(metadata | vocabulary_of_test))
        file.flush()
        header = base.gguf_init_from_file(file.name.encode(), _Params(True, None))
    params = library.llama_model_default_params()
    params.no_alloc, params.load_mode = True, library.LLAMA_LOAD_MODE_NONE
    pointer = ctypes.cast(header, library.gguf_context_p_ctypes)
    model = library.llama_model_init_from_user(pointer, _nothing, None, params)
    if not model:
        raise SystemExit("".join(_LINES[-5:]))
    return model


def _context(model: Any, settings: LoadSettings) -> dict[str, float] | None:
    _LINES.clear()
    context = library.llama_init_from_model(model, context_params(settings))
    if not context:
        return None
    library.llama_free(context)
    said = "".join(_LINES)
    return {
        "cache": _sum(r"size = +([\d.]+) MiB \( *\d+ cells", said),
        "compute": _sum(r"(?:compute|output) buffer size = +([\d.]+)", said),
    }


def _sum(pattern: str, text: str) -> float:
    return round(sum(map(float, re.findall(pattern, text))), 2)


def in_a_process_of_its_own(call: Callable[[], Any]) -> Any:
    """Return what it returns, or None: an assertion of ggml ends the process."""
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        with os.fdopen(writing, "w") as out:
            json.dump(call(), out)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as found:
        text = found.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def main() -> None:
    os.environ["GGML_NO_BACKTRACE"] = "1"
    library.llama_log_set(_log, ctypes.c_void_p(0))
    library.llama_backend_init()
    known = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    wanted = sys.argv[1:]
    models = {n: known["models"][n] for n in ZOO if n not in wanted} if wanted else {}
    for name in wanted or ZOO:
        found = in_a_process_of_its_own(lambda name=name: reserved(ZOO[name]))
        print(name, found)  # noqa: T201
        models[name] = found
    settings = [msgspec.to_builtins(each) for each in SETTINGS]
    usual = msgspec.to_builtins(LoadSettings())
    differ = [{k: v for k, v in each.items() if usual[k] != v} for each in settings]
    rows = ",\n".join(f"  {json.dumps(n)}: {json.dumps(models[n])}" for n in sorted(models))
    version = json.dumps(library.__version__)
    RESULT.write_text(
        f'{{"llama-cpp-python": {version},\n "settings": {json.dumps(differ)},\n'
        f' "models": {{\n{rows}\n }}\n}}\n'
    )


if __name__ == "__main__":
    main()
