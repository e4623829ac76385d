"""Since when each condition is as it is, carried over from one judging to the next.

Pure: what was known before and the time come in, what is known now goes out. The daemon keeps it
over its own restarts.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from lmctl.planning.conditions import Condition, ConditionType, Standing, State, Truth


class Remembered(msgspec.Struct, frozen=True):
    """What is kept of one object: each condition's status and when it became so (unix seconds), and
    the last generation for which it was Ready, 0 for never.
    """

    since: dict[ConditionType, tuple[Truth, float]] = {}
    ready_generation: int = 0


Memory = Mapping[str, Remembered]


def remember(before: Memory, standings: Iterable[Standing], *, now: float) -> dict[str, Remembered]:
    """Return what is to be kept: an unchanged status keeps its time; who is gone is forgotten."""
    return {
        each.key: _remember(before.get(each.key, Remembered()), each, now) for each in standings
    }


def dated(standings: Iterable[Standing], memory: Memory) -> Iterator[Standing]:
    """Yield the standings with the times that are remembered of them."""
    for each in standings:
        known = memory.get(each.key, Remembered())
        yield msgspec.structs.replace(
            each,
            conditions=tuple(_dated(condition, known) for condition in each.conditions),
            ready_generation=known.ready_generation,
        )


def _remember(before: Remembered, standing: Standing, now: float) -> Remembered:
    ready = standing.generation if standing.state is State.READY else before.ready_generation
    return Remembered(
        {each.type: (each.status, _since(before, each, now)) for each in standing.conditions}, ready
    )


def _since(before: Remembered, condition: Condition, now: float) -> float:
    status, since = before.since.get(condition.type, (None, now))
    return since if status is condition.status else now


def _dated(condition: Condition, known: Remembered) -> Condition:
    status, since = known.since.get(condition.type, (None, 0.0))
    return msgspec.structs.replace(condition, since=since if status is condition.status else 0.0)
