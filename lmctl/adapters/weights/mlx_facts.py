"""What an MLX folder says of its model as planning needs it: `config.json` and the tables of its
safetensors, of which only the first bytes are read.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any, Final

import msgspec

from lmctl.adapters.weights.template_facts import told_by
from lmctl.base.errors import Refused
from lmctl.planning.mlx_names import CONFIG, SETTINGS, TEMPLATES, is_mlx, template_of
from lmctl.planning.model_facts import AttentionLayers, ModelFacts, Widths

_LENGTH: Final = 8  # bytes that say how long the table is
_LONGEST_TABLE: Final = 100_000_000  # what the format allows
_MOST_BLOCKS: Final = 10_000
_BITS: Final = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "U32": 32, "I32": 32, "U8": 8, "I8": 8}
_PACKED: Final = "U32"
_USUAL_BITS: Final = 4
# Every which block looks back to the beginning, the last of so many, where nothing lists them.
_FULL_LAST: Final = {"gemma2": 2, "gemma3": 6, "gemma3_text": 6, "cohere2": 4}


class NotMlx(Refused):
    """The files are no MLX folder."""


class Tensor(msgspec.Struct, frozen=True):
    """A tensor as a table has it."""

    dtype: str
    shape: tuple[int, ...]


def facts(files: Mapping[str, Path]) -> ModelFacts:
    """Return what a folder's files say, by name. Raises NotMlx, or OSError when one cannot be read."""
    config = _object(files, CONFIG)
    text = config.get("text_config")
    said = _Said(config | text if isinstance(text, dict) else config)
    tensors = [t for name, path in files.items() if is_mlx(name) for t in _table(path)]
    bits = said.quantized_bits
    template = _template(files)
    tool_use, reasoning = told_by(template) if template else (False, ())
    return ModelFacts(
        format="mlx",
        architecture=said.text("model_type"),
        context_length=said.number("max_position_embeddings"),
        weights_size=sum(path.stat().st_size for path in files.values()),
        tensor_bytes=sum(prod(t.shape) * _BITS.get(t.dtype, 16) // 8 for _, t in tensors),
        quantization=f"{bits}bit" if bits else _widest(tensors),
        parameters=sum(_values(name, tensor, bits) for name, tensor in tensors),
        vocabulary=said.number("vocab_size"),
        blocks=said.blocks,
        attention=tuple(said.attention()),
        widths=said.widths(),
        tool_use=tool_use,
        reasoning=reasoning,
    )


class _Said:
    """A model's settings, believed as far as they make sense."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config
        self.blocks = min(self.number("num_hidden_layers"), _MOST_BLOCKS)
        self._heads = self.number("num_attention_heads")
        self._kv_heads = self.number("num_key_value_heads", self._heads)
        size = self.number("hidden_size") // max(1, self._heads)
        self._head = self.number("head_dim", size)

    def text(self, key: str) -> str:
        found = self._config.get(key)
        return found if isinstance(found, str) else ""

    def number(self, key: str, default: int = 0) -> int:
        found = self._config.get(key)
        return found if isinstance(found, int) and 0 <= found < 2**40 else default

    @property
    def quantized_bits(self) -> int:
        """Return how wide most weights are, 0 where they are not quantized."""
        told = self._config.get("quantization", self._config.get("quantization_config"))
        if not isinstance(told, dict):
            return 0
        bits = told.get("bits", _USUAL_BITS)
        return bits if isinstance(bits, int) and 0 < bits <= 32 else _USUAL_BITS

    def attention(self) -> Iterator[AttentionLayers]:
        """Yield the blocks that keep keys and values, alike ones together."""
        if not self._heads:
            return
        numbers = self._kv_heads * self._head
        window = self.number("sliding_window")
        windowed = sum(self._windowed()) if window else 0
        if self.blocks > windowed:
            yield AttentionLayers(self.blocks - windowed, numbers, numbers)
        if windowed:
            yield AttentionLayers(windowed, numbers, numbers, window)

    def _windowed(self) -> Iterator[bool]:
        kinds = self._config.get("layer_types")
        if isinstance(kinds, list):
            yield from (kind == "sliding_attention" for kind in kinds[: self.blocks])
            return
        every = self.number("sliding_window_pattern", _FULL_LAST.get(self.text("model_type"), 0))
        yield from (bool(every) and n % every < every - 1 for n in range(self.blocks))

    def widths(self) -> Widths:
        return Widths(
            embedding=self.number("hidden_size"),
            query=self._heads * self._head,
            key=self._kv_heads * self._head,
            value=self._kv_heads * self._head,
            heads=self._heads,
            feed_forward=self.number("intermediate_size"),
        )


def _table(path: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a safetensors file. Raises NotMlx."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH), "little")
        raw = file.read(length) if length <= _LONGEST_TABLE else b""
    try:
        table = msgspec.json.decode(raw, type=dict[str, Any])
        table.pop("__metadata__", None)
        found = msgspec.convert(table, dict[str, Tensor])
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise NotMlx(f"{path} has no table of tensors: {error}") from error
    yield from found.items()


def _values(name: str, tensor: Tensor, bits: int) -> int:
    """Return how many numbers of the model a tensor holds; those that scale others are none."""
    if bits and name.endswith((".scales", ".biases")):
        return 0
    packed = bits and tensor.dtype == _PACKED
    return prod(tensor.shape) * (_BITS[_PACKED] // bits if packed else 1)


def _widest(tensors: list[tuple[str, Tensor]]) -> str:
    """Return the type that most of the bytes are of."""
    found: Counter[str] = Counter()
    for _, tensor in tensors:
        found[tensor.dtype] += prod(tensor.shape) * _BITS.get(tensor.dtype, 16)
    return found.most_common(1)[0][0] if found else ""


def _template(files: Mapping[str, Path]) -> str | None:
    own, beside = TEMPLATES
    jinja = files[own].read_text(encoding="utf-8") if own in files else None
    said = [_object(files, name) if name in files else None for name in (beside, SETTINGS)]
    return template_of(jinja, *said)


def _object(files: Mapping[str, Path], name: str) -> dict[str, Any]:
    if name not in files:
        raise NotMlx(f"there is no {name}")
    try:
        found = json.loads(files[name].read_bytes())
    except ValueError as error:
        raise NotMlx(f"{name} is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise NotMlx(f"{name} is no JSON object")
    return found
