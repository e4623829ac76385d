"""Headers are read in full, and no damaged or crafted file does more than raise NotGguf."""

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lmctl.adapters.weights.gguf import NotGguf, Skipped, read
from lmctl.adapters.weights.gguf_facts import facts
from lmctl.base.spec import LoadSettings
from lmctl.planning.fit.estimate import estimate
from tests.support.gguf_file import gguf, text

LLAMA = {
    "general.architecture": "llama",
    "general.name": "Tiny",
    "general.file_type": 15,
    "llama.context_length": 8192,
    "llama.block_count": 3,
    "llama.embedding_length": 64,
    "llama.attention.head_count": 4,
    "llama.attention.head_count_kv": 2,
    "tokenizer.chat_template": "{{ x }}",
    "tokenizer.ggml.tokens": [f"t{n}" for n in range(2000)],
    "tokenizer.ggml.token_type": [1] * 2000,
    "small": ["a", "b"],
}
TENSORS = (("a", (64, 2), 0, 0), ("b", (256, 3), 12, 512))
WHOLE = gguf(LLAMA, TENSORS)


@pytest.fixture
def file(tmp_path):
    def write(data):
        path = tmp_path / "m.gguf"
        path.write_bytes(data)
        return path

    return write


def test_metadata_and_tensors_are_read_and_vocabularies_skipped(file):
    header = read(file(WHOLE))

    assert header.metadata["general.name"] == "Tiny"
    assert header.metadata["small"] == ["a", "b"]
    assert header.metadata["tokenizer.ggml.tokens"] == Skipped(2000)
    assert header.metadata["tokenizer.ggml.token_type"] == Skipped(2000)
    assert [(each.name, each.shape, each.values, each.size) for each in header.tensors] == [
        ("a", (64, 2), 128, 512),
        ("b", (256, 3), 768, 432),
    ]


def test_every_truncation_is_refused(file):
    header = gguf({k: v for k, v in LLAMA.items() if "ggml" not in k}, TENSORS, data=b"")
    for length in range(len(header)):
        with pytest.raises(NotGguf):
            read(file(header[:length]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"PK\3\4" + b"\0" * 50, "does not begin with `GGUF`", id="a zip"),
        pytest.param(gguf({}, version=9), "version 9 is not known", id="version"),
        pytest.param(
            b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "tensors at byte", id="tensor count"
        ),
        pytest.param(
            b"GGUF" + struct.pack("<IQQ", 3, 10**6, 0) + b"\0" * 30_000_000,
            "1000000 tensors are more than any model has",
            id="a huge table",
        ),
        pytest.param(
            b"GGUF" + struct.pack("<IQQ", 3, 0, 2**62), "metadata entries at byte", id="pair count"
        ),
        pytest.param(
            b"GGUF" + struct.pack("<IQQQ", 3, 0, 1, 2**63) + b"x" * 20,
            "characters",
            id="key length",
        ),
        pytest.param(
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<IIQ", 9, 4, 2**61),
            "array values",
            id="array length",
        ),
        pytest.param(
            b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + text("k") + struct.pack("<I", 77),
            "value type 77",
            id="type",
        ),
        pytest.param(
            b"GGUF"
            + struct.pack("<IQQ", 3, 0, 1)
            + text("k")
            + struct.pack("<I", 9)
            + struct.pack("<IQ", 9, 1) * 900,
            "arrays are nested too deeply",
            id="arrays in arrays without end",
        ),
    ],
)
def test_damage_is_named_with_a_hint(file, data, message):
    with pytest.raises(NotGguf, match=message) as caught:
        read(file(data))

    assert "m.gguf" in str(caught.value)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.integers(4, 1200), damage=st.binary(min_size=1, max_size=9))
def test_damage_anywhere_is_read_or_refused_and_nothing_else(file, place, damage):
    path = file(WHOLE[:place] + damage + WHOLE[place + len(damage) :])
    try:
        found = facts([path])
    except NotGguf:
        return
    assert found.blocks >= 0
    assert estimate(found, LoadSettings()).total >= 0
