"""Rules about custom fields: values and conditions are of fields the model has."""

from collections.abc import Iterator, Mapping, Set

from lmctl.base import diagnostics
from lmctl.base.custom_fields import CustomField
from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests import chain, suggest
from lmctl.manifests.instance import Instance
from lmctl.manifests.model import Model
from lmctl.manifests.reading import Declared
from lmctl.manifests.rules import show
from lmctl.manifests.settings_keys import CUSTOM_FIELD_PREFIX


def check_custom_fields(
    each: Declared, models: Mapping[str, Model], refused: Set[tuple[str, str]]
) -> Iterator[Diagnostic]:
    """Yield what an Instance sets that its model has not, or that cannot be set so; and what a model
    says of fields that it has not. A model that is `refused` is told at its own place.
    """
    match each.value:
        case Instance() as instance if instance.spec.custom_fields:
            key = instance.spec.model_key
            if ("Model", key) not in refused:
                fields = chain.resolve(models[key], models).switches if key in models else ()
                yield from _of_instance(each, instance, fields)
        case Model() as model:
            yield from _of_model(each, model, chain.resolve(model, models).switches)


def _of_instance(
    each: Declared, instance: Instance, fields: tuple[CustomField, ...]
) -> Iterator[Diagnostic]:
    known = {field.key: field for field in fields}
    for name, value in instance.spec.custom_fields.items():
        place = each.place(("spec", "customFields", name))
        field = known.get(name)
        if field is None:
            message = f"model `{instance.spec.model_key}` has no custom field `{name}`"
            yield diagnostics.error(place, message, _hint(name, known))
        elif not field.fits(value):
            message = (
                f"`spec.customFields.{name}`: expected {field.expectation}, found {show(value)}"
            )
            yield diagnostics.error(place, message)


def _of_model(
    each: Declared, model: Model, fields: tuple[CustomField, ...]
) -> Iterator[Diagnostic]:
    settings = {key: field for field in fields for key in field.settings}
    for index, given in enumerate(model.config.operation.fields_):
        if not given.key.startswith(CUSTOM_FIELD_PREFIX):
            continue
        place = each.place(("config", "operation", "fields", index))
        found = settings.get(given.key)
        if found is None:
            message = f"`{given.key}` is no custom field of this model"
            yield diagnostics.warning(place, message, _hint(given.key, settings))
        elif not found.fits(given.value):
            message = f"`{given.key}`: expected {found.expectation}, found {show(given.value)}"
            yield diagnostics.error(place, message)
    known = {f"$.{field.key}" for field in fields}
    for index, advice in enumerate(model.suggestions):
        for number, condition in enumerate(advice.conditions):
            if condition.key not in known:
                place = each.place(("suggestions", index, "conditions", number, "key"))
                message = f"`{condition.key}` is no custom field of this model: it never holds"
                yield diagnostics.warning(place, message, _hint(condition.key, known))


def _hint(name: str, known: Mapping[str, object] | Set[str]) -> str:
    if not known:
        return "leave it out: the model has no custom fields"
    return suggest.hint(name, known, what="custom fields")
