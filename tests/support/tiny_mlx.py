"""An MLX folder with a Llama of random numbers whose tokens are bytes and three control tokens."""

import json
from pathlib import Path
from typing import Any

from tests.support.tiny_llama import TEMPLATE, _byte_words

WORDS = 256
CONTROLS = ("<begin>", "<end>", "<tool>")
BEGIN, END, TOOL = range(WORDS, WORDS + len(CONTROLS))
VOCABULARY = 264  # padded, as many models are


def config(**more: Any) -> dict[str, Any]:
    """Return a model's settings, small ones."""
    return {
        "model_type": "llama",
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "intermediate_size": 96,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-6,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": 2048,
        "tie_word_embeddings": False,
        "eos_token_id": END,
        "bos_token_id": BEGIN,
    } | more


def write(folder: Path, *, bits: int | None = None, **more: Any) -> Path:
    """Write a model of those settings, `bits` wide if it is to be quantized; the same every time."""
    import mlx.core as mx
    from mlx import nn
    from mlx.utils import tree_flatten, tree_map
    from mlx_lm.utils import _get_classes

    said = config(**more)
    folder.mkdir(parents=True, exist_ok=True)
    kind, arguments = _get_classes(said)
    model = kind(arguments.from_dict(said))
    mx.random.seed(5)
    model.update(tree_map(lambda each: mx.random.normal(each.shape, scale=0.3), model.parameters()))
    if bits is not None:
        said["quantization"] = {"group_size": 32, "bits": bits}
        nn.quantize(model, group_size=32, bits=bits)
    mx.save_safetensors(
        str(folder / "model.safetensors"), dict(tree_flatten(model.parameters())), {"format": "mlx"}
    )
    (folder / "config.json").write_text(json.dumps(said))
    write_tokenizer(folder)
    return folder


def write_tokenizer(folder: Path) -> None:
    """Write a tokenizer of bytes; `<tool>` is written in answers, the other two control them."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    words = {word: byte for byte, word in enumerate(_byte_words())}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(each, special=True) for each in CONTROLS[:2]])
    tokenizer.add_tokens([AddedToken(CONTROLS[2], special=False)])
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": CONTROLS[0],
        "eos_token": {"content": CONTROLS[1]},
        "add_bos_token": True,
        "chat_template": TEMPLATE,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
