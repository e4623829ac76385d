"""What an object comes to: every value, the layer it is from, and where that stands."""

from collections.abc import Iterator

import msgspec

from lmctl.base.errors import NotFound
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.instance import Instance
from lmctl.manifests.leaves import leaves
from lmctl.manifests.model import Model
from lmctl.manifests.not_yet import HONOURED
from lmctl.manifests.reading import Declared, Value
from lmctl.manifests.route import Route
from lmctl.manifests.settings_keys import OWN_DEFAULTS, SETTINGS, Section
from lmctl.manifests.suggest import hint
from lmctl.planning.advised import advice, switch_values
from lmctl.planning.field_text import shown
from lmctl.planning.fields import leaf_text
from lmctl.planning.formats import runtime_for
from lmctl.planning.layers import Given, layered, of_preset, path_of
from lmctl.planning.sources import weights_of

KINDS = {
    "instance": "Instance",
    "model": "Model",
    "route": "Route",
    "runtime": "Runtime",
    "preset": "Preset",
    "mcpserver": "McpServer",
    "server": "Server",
}
_SECTIONS = (Section.LOAD, Section.OPERATION)


class EffectiveValue(msgspec.Struct, frozen=True, rename="camel"):
    """One value as text, empty for none. `layer` is the kind of object that gives it, or `default`;
    `source` is that object and `place` the line, both empty for a default.
    """

    path: str
    value: str
    layer: str = "default"
    source: str = ""
    place: str = ""


def effective_values(
    bundle: Bundle, key: str, *, asked: str | None = None
) -> tuple[EffectiveValue, ...]:
    """Return what an object (`instance/chat`, `model/acme/small`, `server`) comes to, by path; an
    instance may be `asked` with a preset, as requests do.

    Raises NotFound, with the names there are, when one of the two is not declared.
    """
    if asked is not None and asked not in bundle.presets:
        known = hint(asked, bundle.presets, what="presets")
        raise NotFound(f"no preset `{asked}` is declared", hint=known)
    word, _, name = key.partition("/")
    kind = KINDS.get(word.lower())
    if kind is None:
        raise NotFound(f"unknown kind `{word}`", hint=hint(word, tuple(KINDS), what="kinds"))
    if kind == "Server":
        declared = next((d for (k, _), d in bundle.origins.items() if k == kind), None)
        return tuple(_own(kind, bundle.server, declared))
    declared = bundle.origins.get((kind, name))
    if declared is None:
        names = [each for of, each in bundle.origins if of == kind]
        raise NotFound(f"no `{word}/{name}` is declared", hint=hint(name, names, what=f"{word}s"))
    match declared.value:
        case Instance():
            return tuple(_of_instance(bundle, declared, declared.value, asked))
        case Model():
            return tuple(_of_model(bundle, name))
        case Route():
            return tuple(_of_route(bundle, declared, declared.value))
    return tuple(_own(kind, declared.value, declared))


def advised(bundle: Bundle, key: str, *, asked: str | None = None) -> tuple[str, ...]:
    """Return what the model of an instance suggests for what it comes to; nothing for other objects."""
    instance = bundle.instances.get(key.removeprefix("instance/"))
    if instance is None or not key.startswith("instance/"):
        return ()
    settings = {each: layered(bundle, instance, each, asked=asked) for each in _SECTIONS}
    return tuple(advice(bundle, instance, settings))


def _of_route(bundle: Bundle, declared: Declared, route: Route) -> Iterator[EffectiveValue]:
    """Yield its own fields, then what its preset lays over the instances behind it."""
    yield from _own("Route", route, declared)
    if route.spec.preset in bundle.presets:
        for key, given in of_preset(bundle, str(route.spec.preset)).items():
            yield _value(path_of(key, Section.OPERATION), given)


def _of_instance(
    bundle: Bundle, declared: Declared, instance: Instance, asked: str | None
) -> Iterator[EffectiveValue]:
    blocks = (*map(str, _SECTIONS), "customFields")
    derived = {
        "identifier": EffectiveValue("identifier", instance.identifier),
        "runtime": EffectiveValue("runtime", _runtime(bundle, instance)),
        "drift": _from_server(bundle, "reconcile.drift", "drift"),
    }
    if instance.spec.residency.mode == "jit":
        derived["residency.ttl"] = _from_server(bundle, "jit.ttl", "residency.ttl")
    for each in _own("Instance", instance, declared):
        if each.path.partition(".")[0] not in blocks or each.path == "operation.preset":
            yield derived.get(each.path, each) if each.layer == "default" else each
    for section in _SECTIONS:
        found = layered(bundle, instance, section, asked=asked)
        yield from _settings(section, found)
    if instance.spec.model_key in bundle.models:
        for key, given in switch_values(bundle, instance.spec.model_key, found):
            yield _value(f"customFields.{key}", given)


def _runtime(bundle: Bundle, instance: Instance) -> str:
    """Return what loads an instance, as far as manifests say."""
    model = instance.spec.model_key
    weights = None
    if model in bundle.models:
        weights = weights_of(model, bundle, user="/", recorded={})
    return runtime_for(bundle, instance, weights)


def _from_server(bundle: Bundle, path: str, name: str) -> EffectiveValue:
    """Return a value an Instance leaves to the Server, under the Instance's name for it."""
    found = next(each for each in effective_values(bundle, "server") if each.path == path)
    return msgspec.structs.replace(found, path=name)


def _of_model(bundle: Bundle, name: str) -> Iterator[EffectiveValue]:
    found: dict[str, EffectiveValue] = {}
    for each in reversed(bundle.resolve_base(name).chain):
        own = _own("Model", bundle.models[each], bundle.origins["Model", each])
        found |= {e.path: e for e in own if e.layer != "default" or e.path not in found}
    yield from found.values()


def _own(kind: str, value: Value, declared: Declared | None) -> Iterator[EffectiveValue]:
    word = kind.lower()
    for each in leaves(kind, value, declared):
        text = leaf_text(kind, each)
        if declared is not None and each.given:
            source = word if kind == "Server" else f"{word}/{declared.name}"
            yield EffectiveValue(each.path, text, word, source, each.place)
        else:
            yield EffectiveValue(each.path, text)


def _settings(section: Section, given: dict[str, Given]) -> Iterator[EffectiveValue]:
    """Yield what is given, and what has an effect here and is left to its default."""
    for setting in SETTINGS:
        path = path_of(setting.key, section)
        if setting.key in given:
            yield _value(path, given[setting.key])
        elif setting.section is section and setting.key in HONOURED:
            default = OWN_DEFAULTS.get(setting.key, setting.default)
            none = "left to the engine" if section is Section.LOAD else "off"
            yield EffectiveValue(path, shown(default, none=none))


def _value(path: str, given: Given) -> EffectiveValue:
    return EffectiveValue(path, shown(given.value), given.layer, given.source, given.place)
