"""What instances would take together, and what every guardrail says to that."""

from collections.abc import Mapping, Sequence

import msgspec

from lmctl.planning.fit.budget import MODES, Guardrails, Mode, budget
from lmctl.planning.fit.estimate import Confidence, Estimate
from lmctl.planning.fit.placing import Tenant, surge_fits, used
from lmctl.planning.host_profile import HostProfile


class Row(msgspec.Struct, frozen=True, rename="camel"):
    """One instance: bytes at its peak by what they are for, all null while nothing is known.

    `mapped` of `weights` are pages of the file, which instances of the same file share; `learned` is
    what measurements add to the rest, or take from it.
    """

    name: str
    weights: int | None = None
    cache: int | None = None
    compute: int | None = None
    overhead: int | None = None
    learned: int = 0
    mapped: int = 0
    total: int | None = None
    confidence: Confidence | None = None


class Verdict(msgspec.Struct, frozen=True, rename="camel"):
    """What one guardrail says: whether all fits into its `budget` (null: no limit), in words."""

    mode: Mode
    budget: int | None
    fits: bool
    words: str


class Outlook(msgspec.Struct, frozen=True, rename="camel"):
    """Everything `lmctl estimate` says. `beside` are the bytes of what runs and stays, `together` of
    the instances asked for; `fits` is the verdict of `mode`, the guardrail in force.
    """

    host: str
    mode: Mode
    fits: bool
    together: int
    beside: int
    instances: tuple[Row, ...]
    verdicts: tuple[Verdict, ...]


def row(name: str, found: Estimate | None) -> Row:
    """Return an estimate as a row."""
    if found is None:
        return Row(name)
    if found.confidence is Confidence.LOW:
        return Row(name, found.weights, mapped=found.mapped, total=found.total,
                   overhead=found.overhead, confidence=found.confidence)  # fmt: skip
    return Row(
        name=name,
        weights=found.weights,
        cache=found.cache,
        compute=found.compute,
        overhead=found.overhead,
        learned=found.learned,
        mapped=found.mapped,
        total=found.total,
        confidence=found.confidence,
    )


def outlook(
    estimates: Mapping[str, Estimate | None],
    keys: Mapping[str, str],
    *,
    beside: Sequence[Tenant],
    host: HostProfile,
    guardrails: Guardrails,
) -> Outlook:
    """Return what instances take and whether they fit, beside what stays.

    `keys` say by name which weights an instance has, so that shared pages count once.
    """
    tenants = [
        Tenant(name, each.total, keys.get(name, ""), each.mapped)
        for name, each in estimates.items()
        if each is not None
    ]
    together = used([*beside, *tenants]) - used(beside)
    verdicts = tuple(_verdict(mode, tenants, beside, host, guardrails) for mode in MODES)
    return Outlook(
        host=host.name,
        mode=guardrails.mode,
        fits=next(each.fits for each in verdicts if each.mode == guardrails.mode),
        together=together,
        beside=used(beside),
        instances=tuple(row(name, each) for name, each in estimates.items()),
        verdicts=verdicts,
    )


def _verdict(
    mode: Mode,
    tenants: Sequence[Tenant],
    beside: Sequence[Tenant],
    host: HostProfile,
    guardrails: Guardrails,
) -> Verdict:
    room = budget(host, msgspec.structs.replace(guardrails, mode=mode))
    together = used([*beside, *tenants]) - used(beside)
    found = surge_fits(Tenant("", together), beside, room)
    return Verdict(mode, room.size, found.fits, found.words)
