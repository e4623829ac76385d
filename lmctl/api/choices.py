"""Several answers to one prompt: the same call again, told apart by id and seed."""

from functools import partial

import msgspec

from lmctl.base.talk import Call
from lmctl.planning.surface import ServedRoute
from lmctl.serving.gateway import MakeCall


def choices(make: MakeCall, count: int) -> tuple[MakeCall, ...]:
    """Return what makes each of `count` calls. With a seed each has one of its own, so that they
    differ, and are the same again when asked again.
    """
    return tuple(partial(_nth, make, number) for number in range(count))


def _nth(make: MakeCall, number: int, route: ServedRoute) -> Call:
    call = make(route)
    if not number:
        return call
    seed = call.sampling.seed
    sampling = msgspec.structs.replace(
        call.sampling, seed=None if seed is None else (seed + number) % 2**63
    )
    return msgspec.structs.replace(call, id=f"{call.id}-{number}", sampling=sampling)
