"""What an MLX folder says, read from the settings and the tables of its files."""

import json

import pytest

from lmctl.adapters.weights import mlx_facts
from lmctl.adapters.weights.mlx_facts import NotMlx
from lmctl.planning.model_facts import AttentionLayers

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 32,
    "max_position_embeddings": 2048,
}
TENSORS = {"model.norm.weight": ("BF16", [64]), "lm_head.weight": ("BF16", [32, 64])}


def folder(place, config=CONFIG, tensors=TENSORS, **files):
    """Write a folder whose tables promise tensors; the numbers are never read."""
    table = {"__metadata__": {"format": "mlx"}}
    table |= {
        name: {"dtype": dtype, "shape": shape, "data_offsets": [0, 0]}
        for name, (dtype, shape) in tensors.items()
    }
    raw = json.dumps(table).encode()
    place.joinpath("model.safetensors").write_bytes(len(raw).to_bytes(8, "little") + raw)
    place.joinpath("config.json").write_text(json.dumps(config))
    for name, text in files.items():
        place.joinpath(name.replace("__", ".")).write_text(text)
    return {path.name: path for path in place.iterdir()}


def test_sizes_are_counted_from_the_tables(tmp_path):
    found = mlx_facts.facts(folder(tmp_path))

    assert (found.format, found.architecture, found.quantization) == ("mlx", "llama", "BF16")
    assert (found.parameters, found.tensor_bytes) == (64 + 32 * 64, 2 * (64 + 32 * 64))
    assert (found.vocabulary, found.context_length, found.blocks) == (32, 2048, 6)
    assert found.attention == (AttentionLayers(6, 32, 32),)
    assert found.known
    assert not found.tool_use


def test_packed_weights_count_what_they_stand_for(tmp_path):
    tensors = {
        "lm_head.weight": ("U32", [32, 8]),
        "lm_head.scales": ("F16", [32, 2]),
        "lm_head.biases": ("F16", [32, 2]),
    }
    config = CONFIG | {"quantization": {"group_size": 32, "bits": 4}}

    found = mlx_facts.facts(folder(tmp_path, config, tensors))

    assert (found.quantization, found.parameters) == ("4bit", 32 * 64)
    assert found.tensor_bytes == 32 * 8 * 4 + 2 * 32 * 2 * 2


@pytest.mark.parametrize(
    "said",
    [
        {"layer_types": ["sliding_attention"] * 5 + ["full_attention"]},
        {"sliding_window_pattern": 6},
        {"model_type": "gemma3_text"},
    ],
)
def test_blocks_with_a_window_are_told_apart(tmp_path, said):
    config = CONFIG | {"sliding_window": 512, "head_dim": 8} | said

    found = mlx_facts.facts(folder(tmp_path, config))

    assert found.attention == (AttentionLayers(1, 16, 16), AttentionLayers(5, 16, 16, 512))


def test_what_a_text_model_inside_says_counts(tmp_path):
    config = {"model_type": "gemma3", "text_config": CONFIG | {"model_type": "gemma3_text"}}

    found = mlx_facts.facts(folder(tmp_path, config))

    assert (found.architecture, found.blocks) == ("gemma3_text", 6)


def test_a_template_that_takes_tools_is_told(tmp_path):
    text = "{% for tool in tools %}{{ tool }}{% endfor %}"
    settings = json.dumps({"chat_template": text})

    assert mlx_facts.facts(folder(tmp_path, tokenizer_config__json=settings)).tool_use


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda files: files.pop("config.json"), "there is no config.json"),
        (lambda files: files["config.json"].write_text("{"), "no JSON"),
        (lambda files: files["config.json"].write_text("[]"), "no JSON object"),
        (lambda files: files["model.safetensors"].write_bytes(b"\xff" * 40), "no table"),
        (lambda files: files["model.safetensors"].write_bytes(b""), "no table"),
    ],
)
def test_what_is_no_mlx_folder_is_told(tmp_path, spoil, told):
    files = folder(tmp_path)
    spoil(files)

    with pytest.raises(NotMlx, match=told):
        mlx_facts.facts(files)
