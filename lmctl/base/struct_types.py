"""Lets threads decode structs at once.

msgspec looks at a struct's fields when the struct is first decoded, and marks them as seen before it
has seen them all: a second thread that decodes the same struct in that moment reads a null pointer,
and the process is gone (msgspec 0.22.0; tests/functional/host/test_struct_types.py shows it).
"""

from collections.abc import Iterator

import msgspec

_settled: set[type[msgspec.Struct]] = set()


def settle() -> None:
    """Have msgspec look at every struct that is known by now, in this thread alone: 3 ms for all.

    To be called before threads are started that decode, and again where modules came since.
    """
    for each in set(_below(msgspec.Struct)) - _settled:
        msgspec.json.Decoder(each)
        _settled.add(each)


def _below(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for each in struct.__subclasses__():
        yield each
        yield from _below(each)
