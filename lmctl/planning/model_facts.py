"""What the header of a model's weights says that planning needs: the shape of it, in numbers."""

from typing import Literal

import msgspec


class AttentionLayers(msgspec.Struct, frozen=True):
    """Blocks that keep keys and values of every token: `key` and `value` are numbers per token and
    block. `window` is how many tokens back they look; 0 is to the beginning.
    """

    layers: int
    key: int
    value: int
    window: int = 0


class StateLayers(msgspec.Struct, frozen=True):
    """Blocks that keep a state of fixed size per sequence: numbers of 32 bits per block."""

    layers: int
    values: int


class Widths(msgspec.Struct, frozen=True):
    """How wide the model computes: numbers per token, of its widest block; 0 where it has none.

    `query`, `key` and `value` are over all heads. `feed_forward` is the dense part, `shared` the
    expert every token goes to, `expert` each of the `experts_used` others; `gated` says that they
    multiply two halves. `latent` is what a compressed attention (MLA) is unpacked to, `inner` a
    state space's width, `per_layer` what each block gets of the embedding.
    """

    embedding: int = 0
    query: int = 0
    key: int = 0
    value: int = 0
    heads: int = 0
    feed_forward: int = 0
    gated: bool = True
    expert: int = 0
    experts: int = 0
    experts_used: int = 0
    shared: int = 0
    latent: int = 0
    inner: int = 0
    per_layer: int = 0


class ModelFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What weights are. Sizes in bytes, lengths in tokens; 0 and "" where it is not known.

    `format` is what they are written in. `weights_size` is of all files, `tensor_bytes` of the numbers in them. `matrices` are the bytes
    of the matrices that are multiplied, by the type of their numbers (`Q4_K`). `vocabulary` counts
    words, `merges` the pairs a tokenizer joins. `title` is the model's own name; `tool_use` and
    `reasoning` (the choices there are) are what its chat template knows. `embeds` says that it
    answers with vectors; `projector` is the size of the file beside it that sees images.
    """

    format: Literal["gguf", "mlx", ""] = ""
    architecture: str = ""
    context_length: int = 0
    weights_size: int = 0
    tensor_bytes: int = 0
    quantization: str = ""
    parameters: int = 0
    vocabulary: int = 0
    merges: int = 0
    blocks: int = 0
    attention: tuple[AttentionLayers, ...] = ()
    states: tuple[StateLayers, ...] = ()
    widths: Widths = Widths()
    matrices: dict[str, int] = {}
    title: str = ""
    tool_use: bool = False
    reasoning: tuple[str, ...] = ()
    embeds: bool = False
    projector: int = 0

    @property
    def known(self) -> bool:
        """Say whether a header was read, or only the size of the files is known."""
        return bool(self.architecture)

    @property
    def cache_per_token(self) -> int:
        """Return the bytes of an f16 cache per token over all blocks that keep every token."""
        return sum((e.key + e.value) * 2 * e.layers for e in self.attention if not e.window)
