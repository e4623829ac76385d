"""A model's header as planning needs it: which blocks keep what, and how wide it computes.

Which blocks look back without end, which through a window and which keep a state follows
llama.cpp's own reading of the metadata (0.3.36: src/models/*.cpp, src/llama-hparams.cpp).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from lmctl.adapters.weights.gguf import Header, Skipped, Tensor, read
from lmctl.adapters.weights.template_facts import told_by
from lmctl.planning.embedding import embeds
from lmctl.planning.model_facts import AttentionLayers, ModelFacts, StateLayers, Widths

# general.file_type -> name (llama.h, enum llama_ftype).
_QUANTIZATIONS: Final = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4",
}  # fmt: skip
# Every which block looks back to the beginning, where the header does not list them itself: the
# last of so many, or the first.
_FULL_LAST: Final = {
    "afmoe": 4, "cohere2": 4, "exaone-moe": 4, "exaone4": 4, "gemma-embedding": 6, "gemma2": 2,
    "gemma3": 6, "gemma3n": 5, "gpt-oss": 2, "llama4": 4, "mellum": 4, "muse-glimmer": 4,
    "olmo2": 4, "plamo3": 8,
}  # fmt: skip
_FULL_FIRST: Final = {"cohere2moe": 4, "laguna": 4, "modern-bert": 3, "smallthinker": 4}
# Windows llama.cpp does not read from the header, or reads and does not use.
_WINDOWS: Final = {"llama4": 8192, "smallthinker": 4096, "phi3": 0}
# Their state is all they keep, in every block; the last have attention beside it in every block.
_STATE_ONLY: Final = frozenset({"mamba", "mamba2", "rwkv6", "rwkv6qwen2", "rwkv7", "arwkv7"})
_STATE_BESIDE: Final = frozenset({"falcon-h1"})
# They read a text at once and keep nothing between steps.
_NO_CACHE: Final = frozenset(
    {
        "bert", "dream", "eurobert", "gemma-embedding", "jina-bert-v2", "jina-bert-v3", "llada",
        "llada-moe", "modern-bert", "neo-bert", "nomic-bert", "nomic-bert-moe", "rnd1",
    }
)  # fmt: skip
# Blocks after this one use the cache of an earlier one.
_LAST_CACHED: Final = {"gemma3n": 20}
_MOST_BLOCKS: Final = 10_000  # more than any model has; a crafted file may say anything
_ROWS_OF_A_REPACK: Final = 8
_TEMPLATE: Final = "tokenizer.chat_template"


def facts(paths: Sequence[Path]) -> ModelFacts:
    """Return what the header of a model says; several paths are the parts of one, in order.

    Raises NotGguf, or OSError when one cannot be read.
    """
    headers = [read(path) for path in paths]
    tensors = [each for header in headers for each in header.tensors]
    size = sum(path.stat().st_size for path in paths)
    return facts_of(Header(headers[0].version, headers[0].metadata, tuple(tensors)), size)


def facts_of(header: Header, weights_size: int) -> ModelFacts:
    """Return what a header says; `weights_size` is in bytes, of the files it describes."""
    said = _Said(header)
    template = _text(header, _TEMPLATE)
    tool_use, reasoning = told_by(template) if template else (False, ())
    return ModelFacts(
        format="gguf",
        architecture=said.architecture,
        context_length=said.number("context_length"),
        weights_size=weights_size,
        tensor_bytes=sum(each.size for each in header.tensors),
        quantization=_QUANTIZATIONS.get(header.metadata.get("general.file_type", -1), ""),
        parameters=sum(each.values for each in header.tensors),
        vocabulary=_length(header, "tokenizer.ggml.tokens"),
        merges=_length(header, "tokenizer.ggml.merges"),
        blocks=said.blocks,
        attention=tuple(_attention(said)),
        states=tuple(_states(said)),
        widths=_widths(said, header.tensors),
        matrices=_matrices(header.tensors),
        title=_text(header, "general.name"),
        tool_use=tool_use,
        reasoning=reasoning,
        embeds=embeds(said.architecture, said.number("pooling_type")),
    )


class _Said:
    """The metadata of one architecture, by the tail of its keys."""

    def __init__(self, header: Header) -> None:
        self._metadata: Mapping[str, Any] = header.metadata
        found = header.metadata.get("general.architecture")
        self.architecture = found if isinstance(found, str) else ""
        every = min(self.number("block_count"), _MOST_BLOCKS)
        # Blocks that only guess ahead (MTP) are stored, but nothing runs through them here.
        self.blocks = max(0, every - self.number("nextn_predict_layers"))
        self.heads = self.per_block("attention.head_count")
        self.kv_heads = self.per_block("attention.head_count_kv") or self.heads
        head_size = self.number("embedding_length") // max((1, *self.heads))
        self.key_length = self.number("attention.key_length", head_size)
        self.value_length = self.number("attention.value_length", head_size)

    def number(self, tail: str, default: int = 0) -> int:
        found = self._metadata.get(f"{self.architecture}.{tail}")
        return found if isinstance(found, int) and 0 <= found < 2**40 else default

    def per_block(self, tail: str) -> tuple[int, ...]:
        """Return one number per block: the header has a number for all, or a list."""
        found = self._metadata.get(f"{self.architecture}.{tail}")
        if isinstance(found, list):
            numbers = tuple(max(each, 0) for each in found if isinstance(each, int))
            return numbers[: self.blocks]
        return (max(found, 0),) * self.blocks if isinstance(found, int) else ()

    def flags(self, tail: str) -> tuple[bool, ...] | None:
        """Return one flag per block, or None where the header has no list of them."""
        found = self._metadata.get(f"{self.architecture}.{tail}")
        return tuple(map(bool, found))[: self.blocks] if isinstance(found, list) else None

    @property
    def windowed(self) -> tuple[bool, ...]:
        """Return which blocks look back through a window only."""
        pattern = "attention.sliding_window_pattern"
        listed = self.flags(pattern)
        if listed is not None:
            return listed
        if self.architecture in _FULL_LAST:
            every = self.number(pattern, _FULL_LAST[self.architecture])
            return tuple(every == 0 or n % every < every - 1 for n in range(self.blocks))
        if self.architecture in _FULL_FIRST:
            every = self.number(pattern, _FULL_FIRST[self.architecture])
            return tuple(every == 0 or n % every != 0 for n in range(self.blocks))
        return ()

    @property
    def window(self) -> int:
        """Return how far such a block looks back, 0 where none does."""
        window = _WINDOWS.get(self.architecture, self.number("attention.sliding_window"))
        small = self.architecture == "exaone4" and self.blocks < 64  # llama.cpp's own test
        return 0 if small else window

    @property
    def stateful(self) -> tuple[bool, ...]:
        """Return which blocks keep a state."""
        if self.architecture in _STATE_ONLY | _STATE_BESIDE:
            return (True,) * self.blocks
        listed = self.flags("attention.recurrent_layers")
        if listed is not None:
            return listed
        if every := self.number("full_attention_interval"):
            return tuple((n + 1) % every != 0 for n in range(self.blocks))
        if _state_values(self) == 0:
            return (False,) * self.blocks
        busy = self.per_block("feed_forward_length") if "nemotron_h" in self.architecture else ()
        return tuple(
            heads == 0 and not (n < len(busy) and busy[n]) for n, heads in enumerate(self.kv_heads)
        )


def _attention(said: _Said) -> Iterator[AttentionLayers]:
    """Yield the blocks that keep keys and values, alike ones together."""
    if said.architecture in _NO_CACHE | _STATE_ONLY:
        return
    windowed, stateful = said.windowed, said.stateful
    compressed = said.number("attention.key_length_mla") > 0
    last = _LAST_CACHED.get(
        said.architecture, said.blocks - said.number("attention.shared_kv_layers")
    )
    found: Counter[tuple[int, int, int]] = Counter()
    for number, heads in enumerate(said.kv_heads[:last]):
        beside = said.architecture in _STATE_BESIDE
        if heads == 0 or (stateful[number] and not beside):
            continue
        window = said.window if number < len(windowed) and windowed[number] else 0
        tail = "_swa" if window else ""
        key = heads * said.number(f"attention.key_length{tail}", said.key_length)
        value = heads * said.number(f"attention.value_length{tail}", said.value_length)
        found[key, 0 if compressed else value, window] += 1
    for (key, value, window), layers in found.items():
        yield AttentionLayers(layers, key, value, window)


def _states(said: _Said) -> Iterator[StateLayers]:
    layers = sum(said.stateful)
    if layers and (values := _state_values(said)):
        yield StateLayers(layers, values)


def _state_values(said: _Said) -> int:
    """Return what one block remembers of one sequence: a convolution's tail and a state."""
    embedding, inner = said.number("embedding_length"), said.number("ssm.inner_size")
    if head := said.number("wkv.head_size"):
        return embedding * (said.number("token_shift_count", 2) + head)
    if tail := said.number("shortconv.l_cache"):
        return embedding * (tail - 1)
    kernel = said.number("ssm.conv_kernel")
    if head := said.number("kda.head_dim"):
        heads = max((0, *said.heads))
        return heads * head * (3 * (kernel - 1 if kernel else 3) + head)
    state = said.number("ssm.state_size")
    convolved = inner + 2 * said.number("ssm.group_count") * state
    return max(0, kernel - 1) * convolved + state * inner


def _widths(said: _Said, tensors: Sequence[Tensor]) -> Widths:
    heads, kv_heads = max((0, *said.heads)), max((0, *said.kv_heads))
    forward = max((0, *said.per_block("feed_forward_length")))
    expert = max((0, *said.per_block("expert_feed_forward_length")))
    experts = said.number("expert_count")
    latent = said.number("attention.key_length_mla")
    return Widths(
        embedding=said.number("embedding_length"),
        query=heads * said.key_length,
        key=kv_heads * said.key_length,
        value=kv_heads * said.value_length,
        heads=heads,
        feed_forward=forward,
        gated=_gated(tensors, forward),
        expert=expert or (forward if experts else 0),
        experts=experts,
        experts_used=said.number("expert_used_count"),
        shared=_rows(tensors, "ffn_up_shexp.weight"),
        latent=heads * latent,
        inner=said.number("ssm.inner_size"),
        per_layer=said.blocks * said.number("embedding_length_per_layer_input"),
    )


def _gated(tensors: Sequence[Tensor], forward: int) -> bool:
    """Say whether a block multiplies two halves; they may lie in one matrix of double width."""
    names = {each.name.rpartition("blk.")[2].partition(".")[2] for each in tensors}
    if not names or any(name.startswith("ffn_gate") for name in names):
        return True
    return bool(forward) and _rows(tensors, "ffn_up.weight") >= 2 * forward


def _rows(tensors: Sequence[Tensor], tail: str) -> int:
    found = (each.shape[1] for each in tensors if each.name.endswith(tail) and len(each.shape) > 1)
    return max(found, default=0)


def _matrices(tensors: Sequence[Tensor]) -> dict[str, int]:
    """Return the bytes of what may be laid out anew when it is loaded, by type."""
    found: Counter[str] = Counter()
    tied = not any(each.name == "output.weight" for each in tensors)
    for each in tensors:
        looked_up = each.name == "token_embd.weight" and not tied
        experts = each.name.endswith("_exps.weight")
        multiplied = each.name.endswith(".weight") and len(each.shape) == (3 if experts else 2)
        if multiplied and not looked_up and each.shape[1] % _ROWS_OF_A_REPACK == 0:
            found[each.type_name] += each.size
    return dict(found)


def _length(header: Header, key: str) -> int:
    match header.metadata.get(key):
        case Skipped(count):
            return count
        case list() as found:
            return len(found)
    return 0


def _text(header: Header, key: str) -> str:
    found = header.metadata.get(key)
    return found if isinstance(found, str) else ""
