"""A first fleet for a machine: which model of the catalogue, with how much context, and why.

The best model is taken whose weights fit on the disk, that fits into memory beside what a guardrail
keeps back, with as much context as fits, and that this machine can read fast enough for each token.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from lmctl.base.quantities import format_size
from lmctl.base.spec import LoadSettings
from lmctl.planning.catalogue import CatalogueModel
from lmctl.planning.fit.budget import Guardrails, budget
from lmctl.planning.fit.estimate import Estimate, estimate
from lmctl.planning.gguf_names import quantization
from lmctl.planning.host_profile import HostProfile

_GIB: Final = 1024**3
_SPARE: Final = 2 * _GIB
"""Bytes of disk that stay free."""
_PER_CORE: Final = 1_000_000_000
_MOST_CORES: Final = 8
"""A core reads about five gigabytes a second, eight of them about what memory gives: with these a
token takes a fifth of a second at most.
"""
# Tokens of context and requests at once, the most comfortable first: a conversation with tools
# wants eight thousand tokens rather than a second one beside it.
_ROOMS: Final = (
    (16_384, 4), (16_384, 2), (8_192, 4), (8_192, 2), (8_192, 1), (4_096, 2), (4_096, 1),
)  # fmt: skip


class Passed(msgspec.Struct, frozen=True):
    """A better model that was not taken, and why."""

    name: str
    why: str


class First(msgspec.Struct, frozen=True):
    """What was chosen: the model, `context_length` in tokens for each of `parallel` requests, what
    that takes in bytes, and in sentences why.
    """

    model: CatalogueModel
    quantization: str
    context_length: int
    parallel: int
    memory: int
    why: tuple[str, ...]
    passed: tuple[Passed, ...] = ()


def choose(models: Sequence[CatalogueModel], host: HostProfile) -> First | tuple[Passed, ...]:
    """Return the best choice for a machine; where none fits, why not, model by model.

    Several are looked at from the best on: one that is asked for, or all that answer with text.
    """
    passed: list[Passed] = []
    for each in reversed(models):
        found = _tried(each, host, alone=len(models) == 1)
        if isinstance(found, First):
            return msgspec.structs.replace(found, passed=tuple(passed))
        passed.append(Passed(each.name, found))
    return tuple(passed)


def _tried(model: CatalogueModel, host: HostProfile, *, alone: bool) -> First | str:
    """Return the choice of a model, or why it is none; one that was asked for may be slow."""
    about = model.about
    size = about.size + about.facts.projector
    if size + _SPARE > host.disk.free:
        return f"{format_size(size)} to download, {format_size(host.disk.free)} of disk are free"
    cores = min(host.cores.usable, _MOST_CORES)
    if about.active > cores * _PER_CORE and not alone:
        return f"slow here: {format_size(about.active)} to read for each token on {cores:g} core(s)"
    room = budget(host, Guardrails())
    for load in _loads(model):
        found = estimate(about.facts, load, features=host.cores.features)
        if found is not None and (room.size is None or found.total <= room.size):
            return _first(model, load, found, host)
    return f"does not fit into memory: {room.reason}"


def _loads(model: CatalogueModel) -> Iterator[LoadSettings]:
    longest = model.about.facts.context_length
    for context, parallel in _ROOMS:
        yield LoadSettings(context_length=min(context, longest), parallel=parallel)


def _first(model: CatalogueModel, load: LoadSettings, found: Estimate, host: HostProfile) -> First:
    room, about, named = budget(host, Guardrails()), model.about, _named(model)
    size = "any" if room.size is None else format_size(room.size)
    files = format_size(about.size + about.facts.projector)
    disk = (
        f"{named or 'weights'}, {files} to download; {format_size(host.disk.free)} of disk are free"
    )
    memory = (
        f"takes about {format_size(found.total)} with {load.context_length} tokens of context for"
        f" {load.parallel} request(s) at once; models may use {size}: {room.reason}"
    )
    speed = f"{format_size(about.active)} are read for each token, on {host.cores.usable:g} core(s)"
    why = (f"{about.title}: {about.summary}", disk, memory, speed)
    return First(model, named, load.context_length, load.parallel, found.total, why)


def _named(model: CatalogueModel) -> str:
    """Return the quantization its model.yaml names, empty where it leaves that open."""
    for line in model.manifest.splitlines():
        word, _, file = line.strip().partition("file: ")
        if not word and file:
            return quantization(file) or ""
    return ""
