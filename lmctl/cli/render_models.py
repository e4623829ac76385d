"""Models on disk: what a program reads of them, and the tables people read. Pure."""

from collections.abc import Iterable, Sequence
from itertools import chain, groupby
from typing import Any, Final

import msgspec

from lmctl.base.quantities import format_size
from lmctl.cli.render import table
from lmctl.planning.known_models import KnownModel

_HEADS: Final = ("PARAMS", "ARCH", "QUANT", "SIZE", "CONTEXT", "LOADED AS")


class Quantization(msgspec.Struct, frozen=True):
    """How weights are stored, by name, and the bits per weight it is named after."""

    name: str
    bits: int | None


class Listed(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A model, in the field names of `lms ls --json`. Sizes are in bytes, lengths in tokens; what is
    not known is left out. `path` is below the models folder; `loadedAs` is our own.
    """

    type: str
    model_key: str
    format: str
    display_name: str
    publisher: str
    path: str
    size_bytes: int
    indexed_model_identifier: str
    device_identifier: None
    vision: bool
    trained_for_tool_use: bool
    max_context_length: int
    loaded_as: list[str]
    params_string: str | None = None
    architecture: str | None = None
    quantization: Quantization | None = None
    variants: list[str] | None = None
    selected_variant: str | None = None


class Variants(msgspec.Struct, frozen=True):
    """A model by its key, and its variants; itself where it has none."""

    model: str
    variants: list[Listed]


def quantization_of(model: KnownModel | None) -> Quantization | None:
    """Return how a model's weights are stored, as far as that is known."""
    if model is None or not model.quantization:
        return None
    return Quantization(model.quantization, model.bits)


def listed(model: KnownModel) -> Listed:
    """Return a known model as it is listed."""
    publisher, _, name = model.key.partition("/")
    return Listed(
        type=model.type,
        model_key=model.key,
        format=model.format,
        display_name=model.title or name,
        publisher=publisher,
        path=model.path,
        size_bytes=model.size,
        indexed_model_identifier=model.path or model.key,
        device_identifier=None,
        vision=model.vision,
        trained_for_tool_use=model.tool_use,
        max_context_length=model.context_length,
        loaded_as=[each.identifier for each in model.instances if each.loaded],
        params_string=model.parameters or None,
        architecture=model.architecture or None,
        quantization=quantization_of(model),
        selected_variant=model.key if "@" in model.key else None,
    )


def listed_elsewhere(entry: dict[str, Any]) -> Listed:
    """Return a model as another box lists it (contract 1.7)."""
    can, stored = entry.get("capabilities") or {}, entry.get("quantization")
    quantized = Quantization(stored["name"], stored["bits_per_weight"]) if stored else None
    return Listed(
        type=entry["type"],
        model_key=entry["key"],
        format=entry.get("format") or "",
        display_name=entry["display_name"],
        publisher=entry["publisher"],
        path="",
        size_bytes=entry["size_bytes"],
        indexed_model_identifier=entry["key"],
        device_identifier=None,
        vision=can.get("vision", False),
        trained_for_tool_use=can.get("trained_for_tool_use", False),
        max_context_length=entry["max_context_length"],
        loaded_as=[each["id"] for each in entry["loaded_instances"]],
        params_string=entry.get("params_string"),
        architecture=entry.get("architecture"),
        quantization=quantized,
        variants=entry.get("variants"),
        selected_variant=entry.get("selected_variant"),
    )


def with_variants(models: Sequence[Listed]) -> list[Listed]:
    """Return models sorted by key, those of which there are several with the keys of all."""
    found = []
    for _, same in groupby(models, key=base_of):
        of_one = list(same)
        keys = [each.model_key for each in of_one] if len(of_one) > 1 else None
        found += [msgspec.structs.replace(each, variants=each.variants or keys) for each in of_one]
    return found


def by_model(models: Sequence[Listed]) -> list[Variants]:
    """Return models sorted by key as one entry per model."""
    return [Variants(key, list(same)) for key, same in groupby(models, key=base_of)]


def base_of(model: Listed) -> str:
    """Return the key of the model that this is, or is a variant of."""
    return model.model_key.partition("@")[0]


def render_models(models: Sequence[Listed]) -> str:
    """Return a table for language models and one for embedding models, below how many there are."""
    if not models:
        return "no weights are here; `lmctl apply DIR` fetches what is declared"
    number, size = len(models), sum(each.size_bytes for each in models)
    head = f"{number} model{'' if number == 1 else 's'}, {format_size(size)}"
    parts = (
        _table(title, [each for each in models if each.type == kind])
        for kind, title in (("llm", "LLM"), ("embedding", "EMBEDDING"))
    )
    return "\n".join([head, *chain.from_iterable(parts)])


def _table(title: str, models: Sequence[Listed]) -> Iterable[str]:
    return ["", *table([(title, *_HEADS), *map(_row, models)])] if models else []


def _row(each: Listed) -> tuple[str, ...]:
    return (
        each.model_key,
        each.params_string or "-",
        each.architecture or "-",
        each.quantization.name if each.quantization else "-",
        format_size(each.size_bytes) if each.size_bytes else "-",
        str(each.max_context_length or "-"),
        ", ".join(each.loaded_as) or "-",
    )
