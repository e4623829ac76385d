"""What a request to load or unload comes to: it never fights what files declare."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from lmctl.base.changes import ChangeClass
from lmctl.base.errors import Conflict, NotFound
from lmctl.manifests.instance import Instance
from lmctl.manifests.runtime import BUNDLED
from lmctl.manifests.suggest import closest
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.load_settings import given_changes
from lmctl.planning.manual_loads import ManualLoad, declared_of
from lmctl.planning.plan import FieldChange

_LONGEST = 50
_MOST_TOLD = 8


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked to be loaded; `load` are settings as an Instance has them, `owner` is who asks."""

    model: str
    identifier: str = ""
    runtime: str = ""
    load: dict[str, Any] | None = None
    ttl: float | None = None
    owner: Literal["manual", "jit"] = "manual"


@dataclass(frozen=True, slots=True)
class Decision:
    """The instance's name and public id; `new` is what to remember, None where it is there already."""

    name: str
    identifier: str
    new: ManualLoad | None = None


def decide(wish: Wish, desired: DesiredState, known: Iterable[str], *, now: float) -> Decision:
    """Return what to do about a wish; loading what is there already is no second one.

    `known` are the keys of all models there are. Raises NotFound for a model that is none of them and
    for a runtime that is not there, Conflict when a declared instance stands in the way, Refused for a wrong setting.
    """
    keys = tuple(known)
    model = _model(wish.model, keys)
    _check_runtime(wish.runtime, desired)
    made_of = model if model in keys else model.partition("@")[0]
    there = _there(wish, made_of, desired)
    load = ManualLoad(
        name=there.name if there else _free_name(wish.identifier or model, desired),
        model=model,
        identifier=there.identifier if there else wish.identifier or model.partition("@")[0],
        runtime=wish.runtime,
        load=wish.load or {},
        ttl=wish.ttl,
        at=now,
        owner=wish.owner,
    )
    instance = declared_of(load).value
    if there is None:
        return Decision(load.name, load.identifier, load)
    assert isinstance(instance, Instance)  # noqa: S101 # that is what a load declares
    if there.model != made_of:
        raise Conflict(
            f"`{there.identifier}` is instance/{there.name}, which runs {there.model}{_at(there)}",
            hint="give another identifier",
        )
    changes = (*_other_runtime(wish, there), *given_changes(there.load, instance.spec.load))
    declared = there.owner == "fleet" or bool(there.places)
    if not changes or not declared or wish.owner == "jit":  # a request takes what there is
        return Decision(there.name, there.identifier, _renewed(load, there, desired, changes))
    told = "; ".join(map(str, changes))
    raise Conflict(
        f"`{there.identifier}` is declared{_at(there)} with other settings ({told})",
        hint=f"edit `load` there, or `lmctl set instance/{there.name} "
        f"{changes[0].path}={changes[0].new}`; another identifier loads a second one",
    )


def _renewed(
    load: ManualLoad, there: WantedInstance, desired: DesiredState, changes: tuple[object, ...]
) -> ManualLoad | None:
    """Return what to remember of a load of what is there; None where nothing is new.

    What a request names and finds loaded stays as it is (contract 2.3, rule 5).
    """
    if there in desired.asleep:
        return load
    if there.owner == "fleet" or load.owner == "jit":
        return None
    new = changes or load.ttl is not None or there.owner == "jit"  # a person's load is to stay
    return load if new else None


def to_unload(what: str, desired: DesiredState) -> WantedInstance:
    """Return the instance of that name or public id, which may be unloaded.

    Raises NotFound when there is none, Conflict when a file declares it.
    """
    found = _named(what, desired)
    if found is None:
        ours = [each.name for each in desired.instances if each.owner != "fleet"]
        raise NotFound(
            f"no instance `{what}` is loaded", hint=f"loaded by hand: {', '.join(ours) or 'none'}"
        )
    if found.owner == "fleet":
        place = found.places.get("", "")
        file = place.rpartition(":")[0] or "the file that declares it"
        raise Conflict(
            f"instance/{found.name} is declared{_at(found)}, and what is declared stays loaded",
            hint=f"delete it from {file} to unload it, or `lmctl suspend instance/{found.name}` to "
            "have it left alone",
        )
    return found


def _check_runtime(asked: str, desired: DesiredState) -> None:
    known = {*BUNDLED, *(each.name for each in desired.runtimes)}
    if asked and asked not in known:
        near = closest(asked, known)
        hint = f"did you mean `{near}`?" if near else "`lmctl runtime ls` lists those there are"
        raise NotFound(f"no runtime `{asked}` is bundled or declared", hint=hint)


def _other_runtime(wish: Wish, there: WantedInstance) -> Iterator[FieldChange]:
    if wish.runtime and wish.runtime != there.runtime:
        yield FieldChange("runtime", there.runtime, wish.runtime, ChangeClass.REPLACE)


def _model(asked: str, known: tuple[str, ...]) -> str:
    """Return the key as it is spelled; case does not count in a request. A variant with weights of
    its own is a key as well.
    """
    key, at, variant = asked.partition("@")
    for each in known:
        if each.casefold() == asked.casefold():
            return each
    for each in known:
        if each.casefold() == key.casefold():
            return f"{each}{at}{variant}"
    near = closest(key, known)
    told = ", ".join(sorted(known)[:_MOST_TOLD]) or "none"
    hint = f"did you mean `{near}`?" if near else f"there is: {told}"
    raise NotFound(f"no model `{key}` is declared or stored", hint=hint)


def _there(wish: Wish, model: str, desired: DesiredState) -> WantedInstance | None:
    """Return the instance that is asked for by its id, else one of the model: declared ones first,
    those that wait for a request last.
    """
    there = (*desired.instances, *desired.asleep)
    if wish.identifier:
        return next((each for each in there if each.identifier == wish.identifier), None)
    found = [each for each in there if each.model == model]
    return min(
        found,
        key=lambda each: (each in desired.asleep, each.owner != "fleet", each.name),
        default=None,
    )


def _named(what: str, desired: DesiredState) -> WantedInstance | None:
    for each in desired.instances:
        if what in (each.identifier, each.name, f"instance/{each.name}"):
            return each
    return None


def _free_name(wanted: str, desired: DesiredState) -> str:
    """Return a name for an object that nobody has yet, made of what clients call it."""
    words = re.sub(r"[^a-z0-9]+", "-", wanted.rpartition("/")[2].lower()).strip("-")
    base = words[:_LONGEST].strip("-") or "model"
    taken = {each.name for each in (*desired.instances, *desired.asleep)}
    numbers = (f"{base}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (base, *numbers) if name not in taken)


def _at(instance: WantedInstance) -> str:
    place = instance.places.get("", "")
    return f" at {place}" if place else ""
