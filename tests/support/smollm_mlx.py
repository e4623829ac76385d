"""SmolLM2 135M as an MLX folder: the packaged GGUF with its tensors renamed, its 4 bits kept."""

import json
import os
import shutil
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from tests.support.models import SMOLLM2_SHA256, cache, smollm2

_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
_CONTROL = 3  # a token type of GGUF


def smollm2_mlx() -> Path:
    """Return the folder (95 MiB), made on first use: the same numbers as the GGUF has."""
    folder = cache() / f"smollm2-mlx-{SMOLLM2_SHA256[:12]}"
    if not folder.exists():
        source = smollm2()
        made = Path(mkdtemp(dir=cache()))
        _convert(source, made)
        try:
            made.rename(folder)
        except OSError:  # another process was first
            shutil.rmtree(made)
    return folder


def _convert(source: Path, folder: Path) -> None:
    import mlx.core as mx

    link = folder / "source.gguf"  # MLX goes by a file's ending
    os.link(source, link)
    tensors, said = mx.load(str(link), return_metadata=True)
    link.unlink()
    heads = (_number(said, "attention.head_count"), _number(said, "attention.head_count_kv"))
    renamed = {}
    for name, tensor in tensors.items():
        turned = name.split(".")[-2] in {"attn_q", "attn_k"}
        kept = _unturned(tensor, heads["attn_k" in name]) if turned else tensor
        renamed[_renamed(name)] = kept
    mx.save_safetensors(str(folder / "model.safetensors"), renamed, {"format": "mlx"})
    (folder / "config.json").write_text(json.dumps(_config(said, heads)))
    _write_tokenizer(folder, said)


def _renamed(name: str) -> str:
    *block, what, kind = name.split(".")
    place = f"model.layers.{block[1]}." if block else ""
    return f"{place}{_NAMES[what]}.{kind}"


def _unturned(tensor: Any, heads: int) -> Any:
    """Undo llama.cpp's order of rows, which pairs neighbours where the model pairs halves."""
    rows = tensor.shape[0]
    paired = tensor.reshape(heads, rows // heads // 2, 2, *tensor.shape[1:])
    return paired.swapaxes(1, 2).reshape(tensor.shape)


def _number(said: dict[str, Any], key: str, section: str = "llama") -> Any:
    return said[f"{section}.{key}"].item()


def _config(said: dict[str, Any], heads: tuple[int, int]) -> dict[str, Any]:
    return {
        "model_type": "llama",
        "hidden_size": _number(said, "embedding_length"),
        "num_hidden_layers": _number(said, "block_count"),
        "intermediate_size": _number(said, "feed_forward_length"),
        "num_attention_heads": heads[0],
        "num_key_value_heads": heads[1],
        "rms_norm_eps": _number(said, "attention.layer_norm_rms_epsilon"),
        "rope_theta": _number(said, "rope.freq_base"),
        "vocab_size": len(said["tokenizer.ggml.tokens"]),
        "max_position_embeddings": _number(said, "context_length"),
        "tie_word_embeddings": True,
        "eos_token_id": _number(said, "eos_token_id", "tokenizer.ggml"),
        "bos_token_id": _number(said, "bos_token_id", "tokenizer.ggml"),
        "quantization": {"group_size": 32, "bits": 4},
    }


def _write_tokenizer(folder: Path, said: dict[str, Any]) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    words: list[str] = said["tokenizer.ggml.tokens"]
    merges = [tuple(each.split(" ", 1)) for each in said["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(
        models.BPE(vocab={word: token for token, word in enumerate(words)}, merges=merges)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    kinds = said["tokenizer.ggml.token_type"].tolist()
    tokenizer.add_special_tokens(
        [
            AddedToken(word, special=True, normalized=False)
            for word, kind in zip(words, kinds, strict=True)
            if kind == _CONTROL
        ]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": words[_number(said, "bos_token_id", "tokenizer.ggml")],
        "eos_token": words[_number(said, "eos_token_id", "tokenizer.ggml")],
        "add_bos_token": False,
        "chat_template": said["tokenizer.chat_template"],
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(told))
