"""Steps gathered by the object they are about, the worst disruption first.

A person edits an object, so a plan is told by objects. What the gateway is told comes as one step
for all: its changes go to the objects they belong to.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from lmctl.planning.plan import Disruption
from lmctl.planning.step_view import ChangeView, StepView

SERVER = "server/gateway"
_PUBLISH = "publish"
_REPLACES = ("replace", "identity")


class Work(msgspec.Struct, frozen=True, rename="camel"):
    """All that is to be done about one object.

    `op` is one verb for it; `how` is `surge` or `drain` where one process takes the place of
    another. `disruption` is one of none, hot, park (requests wait), outage. `outage_seconds` is how
    long nobody is served, 0 when nobody notices, null when not known or for ever. `after` are
    other objects that come first. Sizes in bytes, null when not known.
    """

    key: str
    op: str
    how: str
    disruption: str
    outage_seconds: float | None
    because: tuple[str, ...]
    changes: tuple[ChangeView, ...]
    after: tuple[str, ...]
    download: int | None
    memory_before: int
    memory_after: int | None
    held: str
    blocked: bool
    drift: bool
    place: str
    steps: tuple[str, ...]


def works(steps: Sequence[StepView]) -> tuple[Work, ...]:
    """Return the work of a plan by object: what clients notice most first, held work last."""
    held = held_back(steps)
    found = [
        _work(key, some, steps, held)
        for key, group in _by_object(steps).items()
        for some in _apart(group, held)
    ]
    # Equal ones stay in the order in which they are done.
    return tuple(sorted(found, key=lambda each: (bool(each.held), -_rank(each.disruption))))


def held_back(steps: Iterable[StepView]) -> dict[str, str]:
    """Return, by key, why a step is not done: held itself, or waiting for a held one."""
    found: dict[str, str] = {}
    for each in steps:
        waits = next((found[key] for key in each.after if key in found), "")
        if each.held or waits:
            found[each.key] = each.held or waits
    return found


def _by_object(steps: Sequence[StepView]) -> dict[str, list[StepView]]:
    found: dict[str, list[StepView]] = {}
    for each in steps:
        if each.op != _PUBLISH:
            found.setdefault(each.object, []).append(each)
    for each in steps:
        if each.op == _PUBLISH:
            for key in _published_for(each, found, steps):
                found.setdefault(key, []).insert(0, each)
    return found


def _apart(group: Sequence[StepView], held: Mapping[str, str]) -> Iterator[list[StepView]]:
    """Yield what is done of a group and what is not, each if there is any."""
    done = [each for each in group if each.key not in held]
    yield from (some for some in (done, [e for e in group if e.key in held]) if some)


def _published_for(
    publish: StepView, found: Iterable[str], steps: Sequence[StepView]
) -> Iterator[str]:
    """Yield the objects for whose sake the gateway is told something."""
    changed = dict.fromkeys(each.subject for each in publish.changes)
    yield from changed
    if not changed:
        waiting = {each.object for each in steps if publish.key in each.after}
        instances = [key for key in found if key.startswith("instance/")]
        yield from [key for key in found if key in waiting] or instances or [SERVER]


def _work(
    key: str, some: Sequence[StepView], steps: Sequence[StepView], held: Mapping[str, str]
) -> Work:
    own = [each for each in some if each.op != _PUBLISH]
    acting = own or some
    changes = tuple(dict.fromkeys(c for each in some for c in each.changes if c.subject == key))
    op, disruption = _op(own, changes), _disruption(own, changes)
    return Work(
        key=key,
        op=op,
        how=_how(own),
        disruption=disruption.name.lower(),
        outage_seconds=_outage(own, op, disruption),
        because=tuple(_reasons(own, changes)),
        changes=changes,
        after=tuple(_objects_before(key, own, steps)),
        download=_sum(each.download for each in own),
        memory_before=-sum(min(0, each.memory or 0) for each in own),
        memory_after=_sum(each.memory for each in own if each.memory is None or each.memory > 0),
        held=next((held[each.key] for each in acting if each.key in held), ""),
        blocked=any(each.blocked for each in acting if each.held),
        drift=any(each.drift for each in acting),
        place=next((each.place for each in own if each.place), ""),
        steps=tuple(each.key for each in some),
    )


def _op(own: Sequence[StepView], changes: Sequence[ChangeView]) -> str:
    verbs = {each.op for each in own}
    if {"load", "unload"} <= verbs or {"load", "switch"} <= verbs:
        return "replace" if any(c.change_class in _REPLACES for c in changes) else "reload"
    if {"start", "stop"} <= verbs or ("start" in verbs and changes):
        return "restart"
    order = ("restore", "load", "switch", "unload", "rename", "fetch", "verify")
    found = [each for each in order if each in verbs] or [each.op for each in own]
    return next(iter(found), "update")


def _how(own: Sequence[StepView]) -> str:
    verbs = {each.op for each in own}
    waits = any(each.disruption == Disruption.PARK.words for each in own)
    if "switch" in verbs and not waits:
        return "surge"
    return "drain" if {"load", "unload"} <= verbs else ""


def _disruption(own: Sequence[StepView], changes: Sequence[ChangeView]) -> Disruption:
    by_words = {each.words: each for each in Disruption}
    worst = max((by_words[each.disruption] for each in own), default=Disruption.NONE)
    if worst is Disruption.HOT:
        return Disruption.NONE  # a route that is switched: nobody notices
    return Disruption.HOT if worst is Disruption.NONE and not own and changes else worst


def _outage(own: Sequence[StepView], op: str, disruption: Disruption) -> float | None:
    if disruption < Disruption.PARK:
        return 0.0
    if op in ("unload", "stop"):
        return None
    found = [each.seconds for each in own if each.op != "switch"]
    return None if None in found else round(sum(each or 0.0 for each in found), 3)


def _reasons(own: Sequence[StepView], changes: Sequence[ChangeView]) -> Iterator[str]:
    """Yield each reason once, without what the fields that changed say already."""
    told = "; ".join(map(str, changes))
    silent = ("switch", "rename")  # what they change says it
    for because in dict.fromkeys(each.because for each in own if each.op not in silent):
        if not all(part in told for part in because.split("; ")):
            yield because


def _objects_before(key: str, own: Sequence[StepView], steps: Sequence[StepView]) -> Iterator[str]:
    by_key = {each.key: each for each in steps}
    wanted = dict.fromkeys(before for each in own for before in each.after if before in by_key)
    objects = (by_key[before] for before in wanted)
    yield from dict.fromkeys(
        each.object for each in objects if each.object != key and each.op != _PUBLISH
    )


def _sum(sizes: Iterable[int | None]) -> int | None:
    found = list(sizes)
    return None if None in found else sum(each or 0 for each in found)


def _rank(disruption: str) -> int:
    return int(Disruption[disruption.upper()])
