"""What was loaded by hand or by a request, as if a file declared it: same rules, another owner.

Declared names win: a load whose name or identifier a file declares too is taken over by it. Only an
Instance that is declared to be loaded by requests (`residency: {mode: jit}`) is woken by one.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import msgspec

from lmctl.base.errors import Refused
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.envelope import API_VERSION
from lmctl.manifests.instance import Instance
from lmctl.manifests.reading import Declared, read_file
from lmctl.planning.desired import Leaving

_FILE = "loaded-by-hand.yaml"


class ManualLoad(msgspec.Struct, frozen=True, rename="camel"):
    """An instance loaded on request: by a person, or by a request for its model (`jit`). `model` is a
    key or `key@variant`; `load` are settings as an Instance has them; after `ttl` idle seconds it is
    unloaded, None for never, or (`jit`) as the Server says; `at` is when it was loaded, in unix seconds.
    """

    name: str
    model: str
    identifier: str
    runtime: str = ""
    load: dict[str, Any] = {}
    ttl: float | None = None
    at: float = 0.0
    owner: Literal["manual", "jit"] = "manual"
    leaving: Leaving | None = None


@dataclass(frozen=True, slots=True)
class Merged:
    """A bundle with the loads in it. `manual` are theirs by name; `taken_over` the loads that files
    declare now, by name, with the name of the Instance that does; `awake` those of Instances that
    are loaded by requests, and `leaving` what is over.
    """

    bundle: Bundle
    manual: Mapping[str, ManualLoad] = field(default_factory=dict)
    awake: Mapping[str, ManualLoad] = field(default_factory=dict)
    leaving: Mapping[str, Leaving] = field(default_factory=dict)
    taken_over: Mapping[str, str] = field(default_factory=dict)


def manifest_of(load: ManualLoad) -> dict[str, Any]:
    """Return the Instance that would declare it."""
    spec: dict[str, Any] = {"model": load.model, "identifier": load.identifier}
    if load.runtime:
        spec["runtime"] = load.runtime
    if load.load:
        spec["load"] = load.load
    return {
        "apiVersion": API_VERSION,
        "kind": "Instance",
        "metadata": {"name": load.name},
        "spec": spec,
    }


def declared_of(load: ManualLoad) -> Declared:
    """Return it as the object a file would declare. Raises Refused with the first thing wrong."""
    reading = read_file(_FILE, "", msgspec.json.encode(manifest_of(load)))
    for each in reading.diagnostics:
        if each.fatal:
            raise Refused(each.message, hint=each.hint)
    return reading.declared[0]


def with_loads(bundle: Bundle, loads: Sequence[ManualLoad]) -> Merged:
    """Return the bundle with what was loaded by hand. Its digest stays: nobody edited anything."""
    manual: dict[str, ManualLoad] = {}
    awake: dict[str, ManualLoad] = {}
    leaving = {each.name: each.leaving for each in loads if each.leaving is not None}
    taken_over: dict[str, str] = {}
    instances, origins = dict(bundle.instances), dict(bundle.origins)
    owners = dict(_identifiers(bundle))
    for load in loads:
        if load.leaving is not None:
            continue
        if load.name in bundle.instances and by_request(bundle.instances[load.name]):
            awake[load.name] = load
        elif load.name in bundle.instances:
            taken_over[load.name] = load.name
        elif load.identifier in owners:
            taken_over[load.name] = owners[load.identifier]
        elif (declared := _readable(load)) is not None and isinstance(declared.value, Instance):
            manual[load.name] = load
            instances[load.name] = declared.value
            origins["Instance", load.name] = declared
    merged = replace(
        bundle,
        instances=MappingProxyType(dict(sorted(instances.items()))),
        origins=MappingProxyType(origins),
    )
    return Merged(merged, manual, awake, leaving, taken_over)


def by_request(instance: Instance) -> bool:
    """Say whether an instance is loaded by requests, and not before."""
    return instance.spec.residency.mode == "jit"


def _readable(load: ManualLoad) -> Declared | None:
    """Return it unless this version does not understand what an earlier one wrote down."""
    try:
        return declared_of(load)
    except Refused:
        return None


def _identifiers(bundle: Bundle) -> Iterator[tuple[str, str]]:
    """Yield every public name with the object that has it."""
    for route in bundle.routes.values():
        for name in route.names:
            yield name, route.metadata.name
    for instance in bundle.instances.values():
        yield instance.identifier, instance.metadata.name
