"""A tiny model loaded and asked, to see that a build of llama.cpp works."""

import tempfile
from pathlib import Path
from typing import Final

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.llamacpp import borrowed, counting, engine
from lmctl.runner.port import Bell, Feed

_ASKED: Final = b"abc"
_ANSWER: Final = b"defgh"


def try_it() -> str:
    """Let a model count, and return whose llama.cpp did: package and version.

    Raises ValueError and EngineFailed, which say what is wrong with this build.
    """
    borrowed.check_layout()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "counting.gguf"
        counting.write(path)
        settings = LoadSettings(context_length=64, parallel=1, threads=1)
        loaded = engine.load([path], settings, progress=lambda _: True)
        if not isinstance(loaded, engine.LlamaEngine):
            raise EngineFailed("it takes a language model for an embedding model")
        said = _counted(loaded)
        loaded.close()
    if said != _ANSWER:
        raise ValueError(f"a model that counts said {said!r} after {_ASKED!r}, not {_ANSWER!r}")
    return borrowed.origin()


def _counted(loaded: engine.LlamaEngine) -> bytes:
    """Return what the model says, token by token."""
    tokens = loaded.tokenize(_ASKED.decode(), add_bos=False, parse_special=False)
    loaded.begin(0, Sampling(temperature=0.0, repeat_penalty=None), tokens)
    said = b""
    for _ in _ANSWER:
        [[chosen]] = loaded.step([Feed(0, tokens, 1)], Bell())
        tokens = [chosen.token]
        said += loaded.piece(chosen.token)
    loaded.forget(0)
    return said
