"""Another package's llama.cpp below the bindings that lmctl came with.

llama-cpp-python describes llama.cpp's C interface and brings a build of it; some packages bring a
build alone. Where LMCTL_LLAMA_LIBRARY names the file of such a build, the bindings are loaded over
it. What they know and it lacks says so when it is called: only what is never used may be missing.
Whether both mean the same structures is not known before `check_layout`.
"""

import ctypes
import os
import re
from pathlib import Path
from typing import Any, Final

from lmctl.base.spec import LLAMA_LIBRARY, LLAMA_PACKAGE

_OURS: Final = re.compile(r"lib(llama|ggml|mtmd)\.(so|dylib)$")
_DEFAULTS: Final = (
    ("llama", "llama_model_default_params"),
    ("llama", "llama_context_default_params"),
    ("llama", "llama_sampler_chain_default_params"),
    ("mtmd", "mtmd_context_params_default"),
)


class _Absent:
    """Stands for a function that the library lacks."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, *_: Any) -> Any:
        raise NotImplementedError(
            f"{os.environ.get(LLAMA_PACKAGE, 'the library')} has no {self._name}"
        )


class _Borrowed(ctypes.CDLL):
    """The borrowed library in place of those the bindings ask for."""

    def __init__(self, name: Any, *args: Any, **kwargs: Any) -> None:
        stands_in = isinstance(name, str) and _OURS.search(name)
        super().__init__(os.environ[LLAMA_LIBRARY] if stands_in else name, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("__"):
                raise
            return _Absent(name)


def borrow() -> None:
    """Load the bindings over the borrowed library, where there is one; before anybody imports them."""
    if not os.environ.get(LLAMA_LIBRARY):
        return
    own = ctypes.CDLL
    ctypes.CDLL = _Borrowed  # type: ignore[misc] # the bindings open what they stand on by this name
    try:
        from llama_cpp import _ggml, mtmd_cpp  # noqa: F401 # each opens a library of its own
    finally:
        ctypes.CDLL = own  # type: ignore[misc]


def origin() -> str:
    """Return whose llama.cpp this process runs: package and version."""
    import llama_cpp

    return os.environ.get(LLAMA_PACKAGE) or f"llama-cpp-python {llama_cpp.__version__}"


def check_layout() -> None:
    """Raise ValueError where the borrowed library lays its settings out otherwise than the bindings.

    Read through the same structure, the defaults of both libraries must be the same.
    """
    if not os.environ.get(LLAMA_LIBRARY):
        return
    import llama_cpp
    from llama_cpp import mtmd_cpp

    folder = Path(str(llama_cpp.__file__)).parent / "lib"
    ending = "dylib" if (folder / "libllama.dylib").exists() else "so"
    for base, name in _DEFAULTS:
        there = getattr(mtmd_cpp if base == "mtmd" else llama_cpp, name)()
        own = getattr(ctypes.CDLL(str(folder / f"lib{base}.{ending}")), name)
        own.restype = type(there)
        wrong = _differing(own(), there)
        if wrong:
            raise ValueError(
                f"{origin()} does not fit the bindings of llama-cpp-python {llama_cpp.__version__}"
                f" that lmctl came with: {name} differs in {', '.join(wrong)}"
            )


def _differing(ours: ctypes.Structure, theirs: ctypes.Structure) -> list[str]:
    return [
        each[0]
        for each in ours._fields_
        if _plain(getattr(ours, each[0])) != _plain(getattr(theirs, each[0]))
    ]


def _plain(value: Any) -> Any:
    """Return something to compare: of a pointer, whether it leads anywhere."""
    return value if isinstance(value, int | float | bytes | None) else bool(value)
