"""What the custom fields of an instance's model come to, and what the model advises then."""

from collections.abc import Iterator, Mapping
from typing import Any

from lmctl.base.custom_fields import CustomField
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.instance import Instance
from lmctl.manifests.model import Suggestion
from lmctl.manifests.settings_keys import OWN_DEFAULTS, Section, by_key
from lmctl.planning.field_text import shown
from lmctl.planning.layers import Given, Layer, Settings, path_of


def switch_values(bundle: Bundle, model: str, settings: Settings) -> Iterator[tuple[str, Given]]:
    """Yield the custom fields of a declared model by key, with the value each has and who gives it:
    the settings, where that is one it can have, else the model that has the field.
    """
    resolved = bundle.resolve_base(model)
    for field in resolved.switches:
        given = settings.get(field.settings[0])
        fits = given is not None and field.fits(given.value)
        yield field.key, given if given and fits else _default(bundle, resolved.chain, field)


def _default(bundle: Bundle, chain: tuple[str, ...], field: CustomField) -> Given:
    for name in chain:
        for index, each in enumerate(bundle.models[name].custom_fields):
            if each.key == field.key:
                place = bundle.place("Model", name, "customFields", index, "defaultValue")
                return Given(field.default, Layer.MODEL, f"model/{name}", place.at)
    return Given(field.default, Layer.DEFAULT)


def advice(
    bundle: Bundle, instance: Instance, settings: Mapping[Section, Settings]
) -> Iterator[str]:
    """Yield what the model of an instance advises for what it comes to: not what is so already."""
    model = instance.spec.model_key
    if model not in bundle.models:
        return
    values = dict(switch_values(bundle, model, settings[Section.OPERATION]))
    for each in bundle.resolve_base(model).suggestions:
        holds = all(
            (given := values.get(condition.key.removeprefix("$."))) is not None
            and given.value == condition.value
            for condition in each.conditions
        )
        missing = [field for field in each.fields_ if _value(field.key, settings) != field.value]
        if holds and (missing or not each.fields_):
            yield _worded(each, [_wish(field.key, field.value) for field in missing])


def _worded(suggestion: Suggestion, wishes: list[str]) -> str:
    return f"{suggestion.message} ({', '.join(wishes)})" if wishes else suggestion.message


def _wish(key: str, value: Any) -> str:
    setting = by_key(key)
    section = setting.section if setting else Section.OPERATION
    return f"{path_of(key, section)}: {shown(value)}"


def _value(key: str, settings: Mapping[Section, Settings]) -> Any:
    """Return the value a setting has, given or by default."""
    for given in settings.values():
        if key in given:
            return given[key].value
    setting = by_key(key)
    return OWN_DEFAULTS.get(key, setting.default if setting else None)
