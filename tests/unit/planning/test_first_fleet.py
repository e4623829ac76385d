"""The first model for a machine: the best that is here soon, fits, and answers fast enough."""

import pytest

from lmctl.adapters.catalogue import shipped
from lmctl.base.spec import LoadSettings
from lmctl.manifests.bundle import read
from lmctl.planning.catalogue import decode, find, near
from lmctl.planning.first_fleet import First, choose
from lmctl.planning.fit.estimate import Confidence, estimate
from lmctl.planning.host_profile import Cores, Disk, HostProfile, Memory

GIB = 1024**3
MODELS = shipped()
CHAT = [each for each in MODELS if not each.about.facts.embeds]


def host(cores: float, memory: int, disk: int = 200) -> HostProfile:
    return HostProfile(
        "box",
        "linux",
        "x86_64",
        Cores(int(cores) or 1, int(cores) or 1, cores, ("avx2",)),
        Memory(memory * GIB, memory * GIB),
        Disk(500 * GIB, disk * GIB),
    )


@pytest.mark.parametrize(
    ("machine", "name", "context", "parallel"),
    [
        (host(1, 2), "qwen2.5-coder-0.5b", 16_384, 2),
        (host(2, 24), "qwen3-1.7b", 16_384, 4),
        (host(4, 8), "qwen3-4b", 8_192, 1),
        (host(8, 16), "qwen3-8b", 8_192, 2),
        (host(8, 32), "gpt-oss-20b", 16_384, 4),
        (host(16, 64), "qwen3-30b-a3b", 16_384, 4),
        (host(16, 64, disk=8), "qwen3-8b", 16_384, 4),
    ],
)
def test_the_best_is_chosen_that_fits_and_is_quick_enough(machine, name, context, parallel):
    found = choose(CHAT, machine)
    assert isinstance(found, First)
    assert (found.model.name, found.context_length, found.parallel) == (name, context, parallel)
    assert all(each.why for each in found.passed)
    assert len(found.why) == 4


def test_one_that_is_asked_for_may_be_slow_but_must_fit():
    slow = find(MODELS, "qwen3-8b")
    assert isinstance(choose([slow], host(1, 64)), First)
    (refused,) = choose([slow], host(64, 4))
    assert refused.why.startswith("does not fit into memory: balanced keeps")
    (refused,) = choose([slow], host(64, 64, disk=3))
    assert "to download" in refused.why


@pytest.mark.parametrize("model", MODELS, ids=lambda each: each.name)
def test_every_model_of_the_catalogue_is_a_manifest_whose_memory_can_be_foreseen(model):
    reading = read({f"/fleet/{model.name}/model.yaml": model.manifest.encode()})
    assert reading.diagnostics == ()
    assert set(reading.bundle.models) == {model.key}
    found = estimate(model.about.facts, LoadSettings())
    assert found.confidence is Confidence.HIGH
    assert found.total > model.about.size
    overrides = reading.bundle.models[model.key].metadata_overrides
    assert (overrides.domain == "embedding") == model.about.facts.embeds


def test_models_are_found_by_name_and_key_and_near_misses_are_told():
    assert find(MODELS, "Qwen3-4B").key == "qwen/qwen3-4b"
    assert find(MODELS, "qwen/qwen3-4b").name == "qwen3-4b"
    assert find(MODELS, "nothing") is None
    assert near(MODELS, "qwen3-4") == "qwen3-4b"


def test_a_broken_entry_is_named():
    with pytest.raises(ValueError, match=r"catalogue/x/about\.toml"):
        decode({"x": ("model: a/b\n", "title = 1\n")})
    about = 'title = "x"\nsummary = ""\nquality = 1\nsize = 1\nactive = 1\n[facts]\n'
    with pytest.raises(ValueError, match=r"catalogue/x/model\.yaml"):
        decode({"x": ("base: a/b\n", about)})
