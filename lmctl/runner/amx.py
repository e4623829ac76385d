"""Keeps llama.cpp off the AMX unit of newer Intel processors.

Built by a gcc before 12.4 or 13.3, its AMX kernels kill the process at their first use: that
compiler drops the stores to the tile configuration (GCC bug 114098), and which compiler built
the library cannot be seen from here. Its AVX-512 and AVX2 kernels are as fast for the small
batches of a token server. `LMCTL_AMX=1` lets it have the unit.
"""

import ctypes
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import ClassVar, Final

_SMALL: Final = 5000
"""Bytes: enough for the kernel to accept the stack, too few for the 8 KiB of AMX's registers."""


class _Stack(ctypes.Structure):
    """stack_t of sigaltstack(2)."""

    _fields_: ClassVar = [
        ("base", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("size", ctypes.c_size_t),
    ]


@contextmanager
def amx_withheld() -> Generator[None, None, None]:
    """Make the request for AMX fail that llama.cpp sends when it loads its first model.

    Linux grants the unit only while no thread has a signal stack too small for its registers
    (arch_prctl, ARCH_REQ_XCOMP_PERM); llama.cpp then takes its other kernels for good. Where
    there is no AMX this changes nothing.
    """
    if not sys.platform.startswith("linux") or os.environ.get("LMCTL_AMX") == "1":
        yield
        return
    libc = ctypes.CDLL(None)
    room = ctypes.create_string_buffer(_SMALL)
    before = _Stack()
    small = _Stack(ctypes.addressof(room), 0, _SMALL)
    libc.sigaltstack(ctypes.byref(small), ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
