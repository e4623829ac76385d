"""What weights take once they are loaded: the file's pages, and what is laid out anew beside them."""

from collections.abc import Iterable
from typing import Final

from lmctl.base.spec import LoadSettings
from lmctl.planning.model_facts import ModelFacts

# Which types of numbers ggml lays out anew for a processor's instructions, matrices of whole
# blocks of rows only (0.3.36: ggml-cpu/repack.cpp). The file's own pages stay mapped beside them.
REPACKED: Final[dict[str, frozenset[str]]] = {
    "avx2": frozenset({"Q4_0", "Q4_K", "IQ4_NL", "MXFP4"}),
    "avx512f": frozenset({"Q2_K"}),
    "asimddp": frozenset({"Q4_0", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "MXFP4", "Q8_0"}),
}
USUAL: Final = ("avx2",)
"""What a processor is taken to have when nothing is known of it."""


def repacked(facts: ModelFacts, features: Iterable[str]) -> int:
    """Return the bytes of the matrices that are laid out anew."""
    types = frozenset[str]().union(*(REPACKED.get(each, frozenset()) for each in features))
    return sum(size for kind, size in facts.matrices.items() if kind in types)


def resident(facts: ModelFacts, load: LoadSettings, features: Iterable[str]) -> tuple[int, int]:
    """Return the bytes in memory, and how many of them are pages of the file.

    Mapped weights are read in whole; copied ones lie in memory once, in one layout or the other.
    """
    numbers = facts.tensor_bytes or facts.weights_size
    if load.direct_io or not load.use_mmap:
        return numbers, 0
    return numbers + repacked(facts, features), numbers
