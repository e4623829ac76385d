"""Models on disk: what a program reads of them, and the tables people read. Pure."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Final

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
    not known is left out. `loadedAs` is our own.
    """

    type: str
    model_key: str
    format: str
    display_name: str
    publisher: str
    size_bytes: int
    vision: bool
    trained_for_tool_use: bool
    max_context_length: int
    loaded_as: list[str]
    params_string: str | None = None
    architecture: str | None = None
    quantization: Quantization | None = None
    selected_variant: str | None = None


def listed(model: KnownModel) -> Listed:
    """Return a known model as it is listed."""
    quantized = Quantization(model.quantization, model.bits) if model.quantization else None
    publisher, _, name = model.key.partition("/")
    return Listed(
        type=model.type,
        model_key=model.key,
        format=model.format,
        display_name=model.title or name,
        publisher=publisher,
        size_bytes=model.size,
        vision=model.vision,
        trained_for_tool_use=model.tool_use,
        max_context_length=model.context_length,
        loaded_as=[each.identifier for each in model.instances if each.loaded],
        params_string=model.parameters or None,
        architecture=model.architecture or None,
        quantization=quantized,
        selected_variant=model.key if "@" in model.key else None,
    )


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
