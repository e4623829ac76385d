"""Architectures of mlx-lm with small random weights: together they say what each says alone."""

import pytest

from lmctl.base.talk import Sampling
from lmctl.runner.port import Bell, Feed
from tests.engines.test_mlx import opened, reference, words
from tests.support import tiny_mlx

pytestmark = pytest.mark.engine

GREEDY = Sampling(temperature=0, repeat_penalty=None)
PROMPTS = ("The lamp is lit. ", "a", "One night the sea rose over it and the keeper saw ")
COUNT = 6
# What some of them ask for; each takes what it knows.
SETTINGS = {
    "num_hidden_layers": 4,
    "head_dim": 16,
    "rope_theta": 10_000.0,
    "sliding_window": 8,
    "sliding_window_pattern": 2,
    "layer_types": ["sliding_attention", "full_attention"] * 2,
    "layer_norm_eps": 1e-5,
    "layer_norm_epsilon": 1e-5,
    "norm_eps": 1e-5,
    "query_pre_attn_scalar": 16,
    "attn_logit_softcapping": 50.0,
    "final_logit_softcapping": 30.0,
    "logit_scale": 1.0,
    "attention_bias": False,
    "mlp_bias": False,
    "attention_multiplier": 0.25,
    "embedding_multiplier": 1.0,
    "residual_multiplier": 1.0,
    "logits_scaling": 1.0,
    "partial_rotary_factor": 0.5,
    "num_experts": 4,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 32,
    "shared_expert_intermediate_size": 32,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "norm_topk_prob": True,
    "no_rope_layer_interval": 4,
    "kv_lora_rank": 16,
    "q_lora_rank": None,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 16,
    "n_routed_experts": None,
    "first_k_dense_replace": 4,
    "rope_scaling": None,
    "full_attn_idxs": [1, 3],
    "conv_L_cache": 3,
    "conv_bias": False,
    "block_dim": 64,
    "block_ff_dim": 96,
    "block_multiple_of": 8,
    "block_ffn_dim_multiplier": 1.0,
    "block_auto_adjust_ff_dim": False,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "full_attention_interval": 2,
}
ROWS = (
    "cohere2", "deepseek_v3", "gemma2", "gemma3_text", "glm4", "gpt_oss", "granite", "mixtral",
    "olmo2", "phi3", "qwen2", "qwen3", "qwen3_moe", "smollm3",
)  # fmt: skip
APART = ("lfm2", "qwen3_next")


@pytest.mark.parametrize("architecture", [*ROWS, *APART])
def test_together_they_say_what_each_says_alone(tmp_path, architecture):
    folder = tiny_mlx.write(tmp_path / "model", model_type=architecture, **SETTINGS)
    engine = opened(folder, parallel=3)
    prompts = [words(engine, text) for text in PROMPTS]
    for sequence, tokens in enumerate(prompts):
        engine.begin(sequence, GREEDY, tokens)

    feeds, found = prompts, [[] for _ in prompts]
    for _ in range(COUNT):
        asked = [Feed(each, feeds[each], 1) for each in range(len(prompts))]
        feeds = [[sampled.token] for [sampled] in engine.step(asked, Bell())]
        found = [[*said, *more] for said, more in zip(found, feeds, strict=True)]

    assert found == [reference(folder, tokens, COUNT) for tokens in prompts]
    assert engine.facts.can_cut == (architecture in ROWS)
    engine.close()
