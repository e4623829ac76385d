"""What a header says of a model's shape."""

import pytest

from lmctl.adapters.weights.gguf import Header, Skipped, Tensor
from lmctl.adapters.weights.gguf_facts import facts, facts_of
from lmctl.planning.model_facts import AttentionLayers, StateLayers
from tests.support.gguf_file import gguf
from tests.unit.adapters.test_gguf import LLAMA, TENSORS, WHOLE


def said(more: dict, tensors: tuple[Tensor, ...] = ()):
    return facts_of(Header(3, LLAMA | more, tensors), 0)


def test_facts_are_what_planning_needs(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(WHOLE)
    found = facts([path])
    assert (found.architecture, found.quantization) == ("llama", "Q4_K_M")
    assert (found.context_length, found.blocks, found.parameters) == (8192, 3, 896)
    assert found.attention == (AttentionLayers(3, 32, 32),)
    assert found.cache_per_token == 3 * 2 * 32 * 2
    assert (found.tensor_bytes, found.weights_size) == (512 + 432, len(WHOLE))
    assert (found.vocabulary, found.known) == (2000, True)


def test_the_parts_of_a_split_model_count_together(tmp_path):
    first, second = tmp_path / "a.gguf", tmp_path / "b.gguf"
    first.write_bytes(gguf(LLAMA, TENSORS[:1]))
    second.write_bytes(gguf({}, TENSORS[1:]))
    found = facts([first, second])
    assert found.tensor_bytes == 512 + 432
    assert found.weights_size == first.stat().st_size + second.stat().st_size
    assert found.architecture == "llama"


def test_heads_may_differ_by_block_and_lengths_may_be_said():
    found = said(
        {
            "llama.attention.head_count_kv": [1, 0, 2],
            "llama.attention.key_length": 32,
            "llama.attention.value_length": 8,
        }
    )
    assert found.attention == (AttentionLayers(1, 32, 8), AttentionLayers(1, 64, 16))


def test_a_window_that_llama_cpp_does_not_use_does_not_count():
    assert said({"llama.attention.sliding_window": 512}).attention[0].window == 0


def test_blocks_that_only_guess_ahead_keep_nothing():
    assert said({"llama.nextn_predict_layers": 1}).attention == (AttentionLayers(2, 32, 32),)


def test_a_header_that_says_little_gives_zeros():
    found = facts_of(Header(3, {"general.architecture": "odd"}, ()), 0)
    assert (found.context_length, found.attention, found.quantization) == (0, (), "")
    assert (found.vocabulary, found.states) == (0, ())


@pytest.mark.parametrize(
    ("tensors", "gated"),
    [
        pytest.param((), True, id="nothing known"),
        pytest.param(("ffn_up.weight", "ffn_gate.weight"), True, id="a gate"),
        pytest.param(("ffn_up.weight",), False, id="none"),
    ],
)
def test_a_gate_is_seen_among_the_tensors(tensors, gated):
    found = said({}, tuple(Tensor(f"blk.0.{each}", (64, 96), 0, 0) for each in tensors))
    assert found.widths.gated is gated


def test_two_halves_may_lie_in_one_matrix():
    fused = (Tensor("blk.0.ffn_up.weight", (64, 256), 0, 0),)
    assert said({"llama.feed_forward_length": 128}, fused).widths.gated


def test_only_what_is_multiplied_is_laid_out_anew():
    tensors = (
        Tensor("token_embd.weight", (64, 800), 2, 0),
        Tensor("output.weight", (64, 800), 14, 0),
        Tensor("blk.0.attn_q.weight", (256, 64), 12, 0),
        Tensor("blk.0.attn_k.weight", (256, 9), 12, 0),
        Tensor("blk.0.attn_norm.weight", (64,), 0, 0),
        Tensor("blk.0.ffn_up_exps.weight", (256, 64, 4), 12, 0),
    )
    assert said({}, tensors).matrices == {
        "Q6_K": tensors[1].size,
        "Q4_K": tensors[2].size + tensors[5].size,
    }


def test_words_that_are_looked_up_and_multiplied_count_as_both():
    tied = (Tensor("token_embd.weight", (64, 800), 2, 0),)
    assert said({}, tied).matrices == {"Q4_0": tied[0].size}


def test_merges_are_counted():
    assert said({"tokenizer.ggml.merges": Skipped(70)}).merges == 70


@pytest.mark.parametrize(
    ("architecture", "more", "expected"),
    [
        ("lfm2", {"shortconv.l_cache": 3}, 64 * 2),
        ("rwkv7", {"wkv.head_size": 16, "token_shift_count": 2}, 64 * 18),
        ("kimi-linear", {"kda.head_dim": 8, "ssm.conv_kernel": 4}, 4 * 8 * (9 + 8)),
        ("mamba", {"ssm.conv_kernel": 4, "ssm.inner_size": 128, "ssm.state_size": 16}, 128 * 19),
    ],
)
def test_states_of_every_family(architecture, more, expected):
    metadata = {
        "general.architecture": architecture,
        f"{architecture}.block_count": 2,
        f"{architecture}.embedding_length": 64,
        f"{architecture}.attention.head_count": 4,
        f"{architecture}.attention.head_count_kv": [0, 0],
        **{f"{architecture}.{name}": value for name, value in more.items()},
    }
    assert facts_of(Header(3, metadata, ()), 0).states == (StateLayers(2, expected),)


@pytest.mark.parametrize(
    ("template", "tool_use", "reasoning"),
    [
        ("{% if tools %}{{ tools }}{% endif %}", True, ()),
        ("{% if enable_thinking %}<think>{% endif %}", False, ("off", "on")),
        ("{{ reasoning_effort }}", False, ("off", "low", "medium", "high")),
        ("{{ messages }}<think>", False, ("off", "on")),
        ("{{ messages }} I was thinking of tools", False, ()),
        ("{% if tools %", False, ()),
        (7, False, ()),
    ],
)
def test_a_chat_template_tells_what_a_model_was_made_for(template, tool_use, reasoning):
    found = said({"tokenizer.chat_template": template, "general.name": "Tiny"})
    assert (found.tool_use, found.reasoning, found.title) == (tool_use, reasoning, "Tiny")
