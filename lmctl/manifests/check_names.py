"""Rules about names: what clients call, what a Route leads to, and what runs an Instance."""

from collections.abc import Iterator, Mapping, Set

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests import suggest
from lmctl.manifests.instance import Instance
from lmctl.manifests.reading import Declared
from lmctl.manifests.route import Route
from lmctl.manifests.runtime import BUNDLED
from lmctl.manifests.server import Server
from lmctl.manifests.yaml_build import Path

Origins = Mapping[tuple[str, str], Declared]


def check_names(origins: Origins, refused: Set[tuple[str, str]]) -> Iterator[Diagnostic]:
    """Yield every name that is used twice, or leads to nothing (and not to what was refused)."""
    yield from _public_names(origins)
    yield from _links(origins, refused)


def _public_names(origins: Origins) -> Iterator[Diagnostic]:
    """Yield an error per name that clients could mean two things by."""
    first: dict[str, Declared] = {}
    for each, name, path in _published(origins):
        other = first.setdefault(name, each)
        if other is each:
            continue
        if isinstance(each.value, Instance):
            message = (
                f"identifier `{name}` is that of Instance `{other.name}` too, at {other.place()}"
            )
            hint = "give one of them an `identifier` of its own"
        else:
            what = "identifier" if isinstance(other.value, Instance) else "name"
            message = f"name `{name}` is the {what} of {other.kind} `{other.name}` too, at {other.place()}"
            hint = "give one of them another name"
        yield diagnostics.error(each.place(path), message, hint)


def _published(origins: Origins) -> Iterator[tuple[Declared, str, Path]]:
    """Yield every name clients can use and where it stands, those of Instances first."""
    for each in origins.values():
        if isinstance(each.value, Instance):
            given = "identifier" if each.value.spec.identifier else "model"
            yield each, each.value.identifier, ("spec", given)
    for each in origins.values():
        if isinstance(each.value, Route):
            for index, name in enumerate(each.value.names):
                path: Path = ("spec", "names", index)
                yield each, name, path if each.value.spec.names else ("metadata", "name")


def _links(origins: Origins, refused: Set[tuple[str, str]]) -> Iterator[Diagnostic]:
    bundled = {("Runtime", each) for each in BUNDLED}
    known = origins.keys() | bundled
    for each in origins.values():
        if (each.kind, each.name) in bundled:
            message = f"`{each.name}` is the name of a bundled runtime"
            place = each.place(("metadata", "name"))
            yield diagnostics.error(place, message, "choose another name")
        for kind, name, path in _references(each):
            if (kind, name) not in known and (kind, name) not in refused:
                message = f"no {kind} `{name}` is declared"
                yield diagnostics.error(each.place(path), message, _hint(kind, name, known))


def _hint(kind: str, name: str, known: Set[tuple[str, str]]) -> str:
    names = sorted(each for of, each in known if of == kind)
    if not names:
        return f"declare one, or leave it out: there is no {kind} at all"
    return suggest.hint(name, names, what=f"{kind.lower()}s")


def _references(each: Declared) -> Iterator[tuple[str, str, Path]]:
    """Yield kind, name and path of what an object leads to."""
    match each.value:
        case Instance():
            if each.value.spec.runtime:
                yield "Runtime", each.value.spec.runtime, ("spec", "runtime")
            if each.value.spec.preset:
                yield "Preset", each.value.spec.preset, ("spec", "operation", "preset")
        case Server():
            if each.value.spec.defaults.runtime:
                yield "Runtime", each.value.spec.defaults.runtime, ("spec", "defaults", "runtime")
        case Route():
            for index, target in enumerate(each.value.spec.targets):
                yield "Instance", target.instance, ("spec", "targets", index, "instance")
            for index, name in enumerate(each.value.spec.fallback):
                yield "Instance", name, ("spec", "fallback", index)
            if each.value.spec.preset:
                yield "Preset", each.value.spec.preset, ("spec", "preset")
