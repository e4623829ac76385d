"""What a repository offers to download, how large each is, and which of them suits this machine."""

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from lmctl.base.quantities import format_size
from lmctl.planning.fit.budget import Guardrails, budget
from lmctl.planning.gguf_names import (
    PREFERENCE,
    is_gguf,
    is_projector,
    pick,
    quantization,
    split_stem,
)
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.mlx_names import mlx_folder

Fit = Literal["fits", "tight", "too large", "no disk"]
_MIB: Final = 1024**2
# Beside the weights there are a context and buffers, of which a name says nothing: a tenth, and
# never less than this.
_LEAST_BESIDE: Final = 256 * _MIB
_GOOD_BITS: Final = 4
_BITS: Final = re.compile(r"\d+")


class Choice(msgspec.Struct, frozen=True, rename="camel"):
    """One model of a repository: `file` is the one that is loaded, `files` all that come with it,
    `size` their bytes (0 where the hub does not say). `bits` per weight are those the quantization
    is named after. `needs` are the bytes of memory it takes at least; `advice` says in words what
    `fit` means here. One of all choices is `recommended`.
    """

    file: str
    files: tuple[str, ...]
    size: int
    quantization: str = ""
    bits: int | None = None
    format: Literal["gguf", "mlx", ""] = ""
    needs: int = 0
    fit: Fit = "fits"
    advice: str = ""
    recommended: bool = False


class Choices(msgspec.Struct, frozen=True, rename="camel"):
    """Everything a repository offers at one commit, the smallest first."""

    repo: str
    commit: str
    gated: bool
    choices: tuple[Choice, ...]


def choices(
    sizes: Mapping[str, int | None], host: HostProfile, guardrails: Guardrails
) -> tuple[Choice, ...]:
    """Return what files with these names and sizes in bytes offer, the smallest first."""
    found = [_judged(each, host, guardrails) for each in _offered(sizes)]
    best = _best(found)
    return tuple(
        msgspec.structs.replace(each, recommended=each is best)
        for each in sorted(found, key=lambda each: (each.size, each.file))
    )


def choose(offered: Iterable[Choice], asked: str | None) -> Choice | None:
    """Return the choice of a quantization, in any case; None asks for the recommended one."""
    for each in offered:
        if each.recommended if asked is None else each.quantization.upper() == asked.upper():
            return each
    return None


def _offered(sizes: Mapping[str, int | None]) -> Iterable[Choice]:
    names = sorted(sizes)
    mains = [name for name in names if is_gguf(name) and not is_projector(name)]
    for stem in dict.fromkeys(split_stem(name) for name in mains):
        first = min(name for name in mains if split_stem(name) == stem)
        named = quantization(first) or ""
        files = pick(names, first)
        yield _choice(files, sizes, quantization=named, bits=_bits(named), format="gguf")
    if not mains and (files := mlx_folder(names)):
        yield _choice(files, sizes, format="mlx")


def _choice(
    files: tuple[str, ...],
    sizes: Mapping[str, int | None],
    *,
    quantization: str = "",
    bits: int | None = None,
    format: Literal["gguf", "mlx"],  # noqa: A002 - the field's name
) -> Choice:
    size = sum(sizes.get(each) or 0 for each in files)
    return Choice(files[0], files, size, quantization, bits, format)


def _bits(named: str) -> int | None:
    found = _BITS.search(named)
    return int(found.group()) if found else None


def _judged(choice: Choice, host: HostProfile, guardrails: Guardrails) -> Choice:
    needs = choice.size + max(choice.size // 10, _LEAST_BESIDE)
    fit, words = _fit(choice.size, needs, host, guardrails)
    if choice.bits is not None and choice.bits < _GOOD_BITS:
        words += f"; answers get worse below {_GOOD_BITS} bits"
    return msgspec.structs.replace(choice, needs=needs, fit=fit, advice=words)


def _fit(size: int, needs: int, host: HostProfile, guardrails: Guardrails) -> tuple[Fit, str]:
    room = budget(host, guardrails)
    takes = f"takes about {format_size(needs)}"
    if size > host.disk.free:
        return "no disk", f"{format_size(size)}, and {format_size(host.disk.free)} of disk are free"
    if needs > host.memory.limit:
        return "too large", f"{takes}, the machine has {format_size(host.memory.limit)}"
    if room.size is not None and needs > room.size:
        return "tight", f"{takes}, models may use {format_size(room.size)} ({room.reason})"
    return "fits", takes


def _best(found: list[Choice]) -> Choice | None:
    """Return what to take: of what fits and has four bits or more the usual one, else the largest
    that fits, else the smallest there is.
    """
    fitting = [each for each in found if each.fit == "fits"]
    good = [each for each in fitting if (each.bits or _GOOD_BITS) >= _GOOD_BITS]
    if good:
        return min(good, key=lambda each: (_rank(each), each.file))
    if fitting:
        return max(fitting, key=lambda each: each.size)
    return min(found, key=lambda each: each.size, default=None)


def _rank(choice: Choice) -> int:
    known = choice.quantization in PREFERENCE
    return PREFERENCE.index(choice.quantization) if known else len(PREFERENCE)
