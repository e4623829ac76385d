"""How often the daemon looks, in one value; each has an environment variable of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from lmctl.base.errors import Refused
from lmctl.base.quantities import parse_duration

_PREFIX = "LMCTL_PERIOD_"


@dataclass(frozen=True, slots=True)
class Periods:
    """Seconds, all of them.

    `health`: between two checks of each process; three in a row without an answer mean that it
    hangs. `hang`: how long an engine may have work without getting on with it. `resync`: until
    everything is looked at although nobody rang. `vanish`: how long a file must be gone before
    its objects count as removed.
    """

    health: float = 10.0
    hang: float = 30.0
    resync: float = 60.0
    vanish: float = 1.0


def periods_of(environment: Mapping[str, str]) -> Periods:
    """Return the periods, with what `LMCTL_PERIOD_HEALTH=2s` and its like say.

    Raises Refused for one that is no duration, or none at all.
    """
    given = {}
    for each in fields(Periods):
        name = _PREFIX + each.name.upper()
        if text := environment.get(name):
            given[each.name] = _seconds(name, text)
    return Periods(**given)


def _seconds(name: str, text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as problem:
        raise Refused(f"{name}={text}: {problem}") from problem
    if not seconds:
        raise Refused(f"{name}={text}: expected more than nothing")
    return seconds
