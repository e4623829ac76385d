"""Layers of settings to one value each, and who gives it.

Weakest first: LM Studio's default (lmctl's own for `contextLength`), the Server's, the model.yaml
chain with parents first, the preset an Instance names, the Instance. Each value remembers its layer, the object it is from and its line, so
that resolving, diffs and explanations tell one story.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from lmctl.base.custom_fields import CustomField
from lmctl.base.diagnostics import Place
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.custom_fields import full_key
from lmctl.manifests.instance import Instance
from lmctl.manifests.model import LoadConfig, Model, OperationConfig
from lmctl.manifests.reading import Declared
from lmctl.manifests.settings_keys import (
    CUSTOM_FIELD_PREFIX,
    Section,
    Setting,
    by_key,
    by_name,
    load_key,
)


class Layer(StrEnum):
    """Who gives a value, the weakest first."""

    DEFAULT = "default"
    SERVER = "server"
    MODEL = "model"
    PRESET = "preset"
    INSTANCE = "instance"


@dataclass(frozen=True, slots=True)
class Given:
    """A value, its layer, the object that gives it (`model/acme/small`) and where it stands there
    (`file:line`; both empty for a default).
    """

    value: Any
    layer: Layer
    source: str = ""
    place: str = ""


Settings = Mapping[str, Given]


def layered(
    bundle: Bundle, instance: Instance, section: Section, *, asked: str | None = None
) -> dict[str, Given]:
    """Return what is given for an instance, by full key; what nobody gives is not in it. `asked` is
    the preset a request names.
    """
    own = {key: each.settings[0] for each in switches(bundle, instance) for key in each.settings}
    found: dict[str, Given] = {}
    over = of_preset(bundle, asked) if asked and section is Section.OPERATION else {}
    for layer in (*_layers(bundle, instance, section), over):
        found |= {own.get(key, key): each for key, each in layer.items()}
    return found


def switches(bundle: Bundle, instance: Instance) -> tuple[CustomField, ...]:
    """Return the custom fields of an instance's model; none of one that no manifest declares."""
    key = instance.spec.model_key
    return bundle.resolve_base(key).switches if key in bundle.models else ()


def _layers(bundle: Bundle, instance: Instance, section: Section) -> Iterator[Settings]:
    """Yield what each layer gives, the weakest first."""
    if section is Section.LOAD:
        yield dict(_of_server(bundle))
    if instance.spec.model_key in bundle.models:
        yield of_chain(bundle, instance.spec.model_key, section)
    preset = instance.spec.preset
    if section is Section.OPERATION and preset is not None and preset in bundle.presets:
        yield of_preset(bundle, preset)
    declared = bundle.origins["Instance", instance.metadata.name]
    yield _own(declared, instance, section)
    if section is Section.OPERATION:
        yield dict(_switched(declared, instance))


def _of_server(bundle: Bundle) -> Iterator[tuple[str, Given]]:
    length = bundle.server.spec.defaults.context_length
    if length is not None:
        name = bundle.server.metadata.name
        place = bundle.place("Server", name, "spec", "defaults", "contextLength")
        yield "llm.load.contextLength", Given(length, Layer.SERVER, "server", place.at)


def of_chain(bundle: Bundle, model: str, section: Section) -> dict[str, Given]:
    """Return what a declared model and its parents give, the child's over theirs."""
    found: dict[str, Given] = {}
    for name in reversed(bundle.resolve_base(model).chain):
        found |= _of_model(bundle.origins["Model", name], bundle.models[name], section)
    return found


def of_preset(bundle: Bundle, name: str) -> dict[str, Given]:
    """Return what a declared preset gives."""
    declared, preset = bundle.origins["Preset", name], bundle.presets[name]
    places = {
        field.key: declared.place(("operation", "fields", index)).at
        for index, field in enumerate(preset.operation.fields_)
    }
    legacy = declared.place(("inference_params",)).at
    return {
        key: Given(value, Layer.PRESET, f"preset/{name}", places.get(key, legacy))
        for key, value in preset.settings.items()
    }


def values_of(settings: Settings) -> dict[str, Any]:
    """Return the bare values, by full key."""
    return {key: each.value for key, each in settings.items()}


def path_of(key: str, section: Section) -> str:
    """Return how an Instance spells a setting: `load.contextLength`; a custom field has its model's
    name in it, `customFields.acme.small.terse`.
    """
    if key.startswith(CUSTOM_FIELD_PREFIX):
        return f"customFields.{key.removeprefix(CUSTOM_FIELD_PREFIX)}"
    setting = by_key(key)
    return f"{section}.{setting.name if setting else key}"


def _of_model(declared: Declared, model: Model, section: Section) -> dict[str, Given]:
    block: LoadConfig | OperationConfig = model.config.operation
    if section is Section.LOAD:
        block = model.config.load
    source = f"model/{model.name}"
    found = {}
    for index, field in enumerate(block.fields_):
        place = declared.place(("config", str(section), "fields", index))
        found[load_key(field.key)] = Given(field.value, Layer.MODEL, source, place.at)
    return found


def _own(declared: Declared, instance: Instance, section: Section) -> dict[str, Given]:
    values = instance.spec.load if section is Section.LOAD else instance.spec.operation
    places = {setting.key: place for setting, place in _written(declared, section)}
    source = f"instance/{declared.name}"
    block = declared.place(("spec", str(section)))
    return {
        key: Given(value, Layer.INSTANCE, source, places.get(key, block).at)
        for key, value in values.items()
    }


def _switched(declared: Declared, instance: Instance) -> Iterator[tuple[str, Given]]:
    """Yield the values an Instance gives the custom fields of its model."""
    for name, value in instance.spec.custom_fields.items():
        place = declared.place(("spec", "customFields", name))
        key = full_key(instance.spec.model_key, name)
        yield key, Given(value, Layer.INSTANCE, f"instance/{declared.name}", place.at)


def _written(declared: Declared, section: Section) -> Iterator[tuple[Setting, Place]]:
    """Yield the settings an Instance writes with their places, whichever name it uses for them."""
    for path in declared.paths(("spec", str(section))):
        setting = by_name(".".join(str(each) for each in path[2:]), section)
        if setting is not None:
            yield setting, declared.place(path)
