"""What clients learn of models: the native listing, v0's, and the statistics of v0's answers."""

import pytest
from msgspec.structs import replace

from lmctl.planning.known_models import KnownModel, ModelInstance
from tests.support.tiny_runner import tiny_runner

CHAT = ModelInstance("chat", "chat", True, "llama.cpp", "0.3.36", 4096, 2, 512, True, True)
TINY = KnownModel(
    "acme/tiny@q4_k_m",
    title="Tiny 1B",
    architecture="llama",
    quantization="Q4_K_M",
    size=700,
    parameters="1B",
    context_length=8192,
    format="gguf",
    tool_use=True,
    reasoning=("off", "on"),
    instances=(CHAT,),
)
OTHER = replace(TINY, key="acme/tiny@q8_0", quantization="Q8_0", size=1400, instances=())
EMBED = KnownModel("nomic/embed", type="embedding", architecture="nomic-bert", context_length=2048)
SAY = {"model": "chat", "messages": [{"role": "user", "content": "one two"}]}


@pytest.fixture
def known(box, runner):
    box.models(TINY, OTHER, EMBED)


async def test_a_model_of_experts_tells_how_many_are_used(server, box, runner):
    box.models(replace(TINY, instances=(replace(CHAT, experts=2),)))

    [model] = (await server.get("/api/v1/models")).json["models"]
    assert model["loaded_instances"][0]["config"]["num_experts"] == 2


async def test_one_entry_per_model_with_variants_instances_and_capabilities(server, known):
    answer = await server.get("/api/v1/models")
    assert answer.json["models"] == [
        {
            "type": "llm",
            "publisher": "acme",
            "key": "acme/tiny",
            "display_name": "Tiny 1B",
            "quantization": {"name": "Q4_K_M", "bits_per_weight": 4},
            "size_bytes": 700,
            "params_string": "1B",
            "loaded_instances": [
                {
                    "id": "chat",
                    "config": {
                        "context_length": 4096,
                        "eval_batch_size": 512,
                        "parallel": 2,
                        "offload_kv_cache_to_gpu": True,
                        "flash_attention": True,
                    },
                }
            ],
            "max_context_length": 8192,
            "format": "gguf",
            "architecture": "llama",
            "capabilities": {
                "vision": False,
                "trained_for_tool_use": True,
                "reasoning": {"allowed_options": ["off", "on"], "default": "on"},
            },
            "description": None,
            "variants": ["acme/tiny@q4_k_m", "acme/tiny@q8_0"],
            "selected_variant": "acme/tiny@q4_k_m",
        },
        {
            "type": "embedding",
            "publisher": "nomic",
            "key": "nomic/embed",
            "display_name": "embed",
            "quantization": None,
            "size_bytes": 0,
            "params_string": None,
            "loaded_instances": [],
            "max_context_length": 2048,
            "format": None,
        },
    ]


async def test_the_listing_counts_down_for_an_instance_that_ends_when_idle(server, box):
    box.serve(box.route())
    box.models(replace(TINY, instances=(replace(CHAT, ttl=60.0),)))
    async with tiny_runner(box.socket()) as runner:
        runner.idle = 20.0
        [model] = (await server.get("/api/v1/models")).json["models"]
    assert model["loaded_instances"][0]["remaining_ttl_seconds"] == 40
    [model] = (await server.get("/api/v1/models")).json["models"]  # nobody says how idle it is
    assert "remaining_ttl_seconds" not in model["loaded_instances"][0]


async def test_v0_lists_each_variant_with_its_state(server, known):
    listing = (await server.get("/api/v0/models")).json["data"]
    assert [(each["id"], each["state"], each["type"]) for each in listing] == [
        ("acme/tiny@q4_k_m", "loaded", "llm"),
        ("acme/tiny@q8_0", "not-loaded", "llm"),
        ("nomic/embed", "not-loaded", "embeddings"),
    ]
    assert listing[0]["loaded_context_length"] == 4096
    assert listing[0]["capabilities"] == ["tool_use"]


@pytest.mark.parametrize("name", ["ACME/tiny@q4_k_m", "chat"])
async def test_v0_tells_of_one_model_by_key_or_instance(server, known, name):
    answer = await server.get(f"/api/v0/models/{name}")
    assert answer.json["id"] == "acme/tiny@q4_k_m"


async def test_v0_knows_no_model_that_is_not_there(server, known):
    answer = await server.get("/api/v0/models/acme/big")
    assert (answer.status, answer.json["error"]["code"]) == (404, "model_not_found")


async def test_a_v0_answer_tells_how_it_came_about(server, known):
    answer = await server.ask("POST", "/api/v0/chat/completions", json_body=SAY)
    assert answer.json["choices"][0]["message"]["content"] == "one two"
    assert answer.json["stats"] == {
        "tokens_per_second": 0.0,
        "time_to_first_token": 0.0,
        "generation_time": 0.0,
        "stop_reason": "eosFound",
    }
    assert answer.json["model_info"] == {
        "arch": "llama",
        "quant": "Q4_K_M",
        "format": "gguf",
        "context_length": 4096,
    }
    assert answer.json["runtime"] == {
        "name": "llama.cpp",
        "version": "0.3.36",
        "supported_formats": ["gguf"],
    }


@pytest.mark.parametrize(
    ("path", "asked"),
    [("chat/completions", SAY), ("completions", {"model": "chat", "prompt": "one two"})],
)
async def test_a_v0_stream_has_the_statistics_in_its_last_chunk(server, known, path, asked):
    body = asked | {"stream": True, "max_tokens": 1}
    answer = await server.ask("POST", f"/api/v0/{path}", json_body=body)
    *before, last = answer.events
    assert last["stats"]["stop_reason"] == "maxPredictedTokensReached"
    assert last["choices"][0]["finish_reason"] == "length"
    assert not any("stats" in each for each in before)
    assert answer.data[-1] == "[DONE]"
