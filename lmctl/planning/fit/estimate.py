"""How much memory an instance takes at its peak, before it is loaded.

weights + cache + compute + overhead: the resident memory of one runner process that has read
prompts of full length in all its slots. Checked against runners by `tests/bench/memory_bench.py`.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from lmctl.base.spec import EngineName, LoadSettings
from lmctl.planning.embedding import as_embedding
from lmctl.planning.fit import mlx
from lmctl.planning.fit.cache import cache_size
from lmctl.planning.fit.compute import compute_size
from lmctl.planning.fit.weights import USUAL, resident
from lmctl.planning.model_facts import ModelFacts

MIB: Final = 1024 * 1024
# Measured, x86-64 Linux, Python 3.11: a runner without an engine, and one with llama.cpp's and
# numpy's libraries, before anything of a model; what differs between machines is small.
ECHO_PROCESS: Final = 35 * MIB
LLAMA_PROCESS: Final = 60 * MIB
# A vocabulary is kept as strings and maps: bytes per word, and per merge of two words.
WORD: Final = 160
MERGE: Final = 145


class Confidence(StrEnum):
    """How far to trust an estimate."""

    MEASURED = "measured"
    """The same weights ran with the same settings here."""
    HIGH = "high"
    """The weights' header was read, and what it says is understood."""
    LOW = "low"
    """Only the size of the files is known: there will be a cache and buffers too."""


class Estimate(msgspec.Struct, frozen=True, rename="camel"):
    """Bytes an instance takes at its peak, by what they are for.

    A projector is part of the weights and read into memory; what it computes with is learned from
    the peak. `mapped` of `weights` are pages of the file: instances of the same file share them.
    `learned` is what measurements add to (or take from) the rest.
    """

    weights: int
    cache: int = 0
    compute: int = 0
    overhead: int = 0
    mapped: int = 0
    learned: int = 0
    confidence: Confidence = Confidence.HIGH

    @property
    def total(self) -> int:
        """Return all of it."""
        return self.weights + self.cache + self.compute + self.overhead + self.learned


def estimate(
    facts: ModelFacts | None,
    load: LoadSettings,
    engine: EngineName = "llama.cpp",
    *,
    features: Iterable[str] = USUAL,
    draft: ModelFacts | None = None,
) -> Estimate | None:
    """Return what an instance will take, or None while nothing is known of its weights.

    `features` are the instruction sets of the processor it will run on; `draft` is of the model that
    is loaded beside to guess tokens.
    """
    instructions = tuple(features)
    found = _of_one(facts, load, engine, instructions)
    beside = msgspec.structs.replace(load, drafter="")
    other = _of_one(draft, beside, engine, instructions) if draft is not None else None
    return found if found is None or other is None else _together(found, other)


def _together(one: Estimate, other: Estimate) -> Estimate:
    """Return what two models take in one process."""
    process = min(one.overhead, other.overhead, LLAMA_PROCESS)
    return Estimate(
        weights=one.weights + other.weights,
        cache=one.cache + other.cache,
        compute=one.compute + other.compute,
        overhead=one.overhead + other.overhead - process,
        mapped=one.mapped + other.mapped,
        confidence=max(one.confidence, other.confidence, key=list(Confidence).index),
    )


def _of_one(
    facts: ModelFacts | None, load: LoadSettings, engine: EngineName, features: tuple[str, ...]
) -> Estimate | None:
    if engine == "echo":
        return Estimate(facts.weights_size if facts else 0, overhead=ECHO_PROCESS)
    if facts is None:
        return None
    if engine == "mlx":
        return _of_mlx(facts, load)
    if facts.embeds:
        load = as_embedding(load, facts.context_length)
    weights, mapped = resident(facts, load, features)
    if load.experts and facts.widths.experts:
        widths = msgspec.structs.replace(facts.widths, experts_used=load.experts)
        facts = msgspec.structs.replace(facts, widths=widths)
    if not facts.known:
        return Estimate(weights, overhead=LLAMA_PROCESS, mapped=mapped, confidence=Confidence.LOW)
    return Estimate(
        weights=weights + facts.projector,
        cache=cache_size(facts, load),
        compute=compute_size(facts, load),
        overhead=LLAMA_PROCESS + facts.vocabulary * WORD + facts.merges * MERGE,
        mapped=mapped,
    )


def _of_mlx(facts: ModelFacts, load: LoadSettings) -> Estimate:
    if not facts.known:
        return Estimate(facts.weights_size, overhead=mlx.PROCESS, confidence=Confidence.LOW)
    found = mlx.parts(facts, load)
    return Estimate(found.weights, found.cache, found.compute, found.overhead)
