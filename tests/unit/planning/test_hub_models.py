"""Models of the hub: how they are named, which of a repository suits a machine, what they are called."""

import pytest

from lmctl.adapters.catalogue import shipped
from lmctl.base.errors import BadRequest
from lmctl.manifests.bundle import read
from lmctl.planning.catalogue import hub_source
from lmctl.planning.choices import choices, choose
from lmctl.planning.downloads import HubModel, key_for
from lmctl.planning.fit.budget import Guardrails
from lmctl.planning.host_profile import Cores, Disk, HostProfile, Memory
from lmctl.planning.hub_names import HubName, hub_name
from lmctl.planning.loading import Wish, decide
from lmctl.planning.manual_loads import ManualLoad
from lmctl.planning.resolve import HostFacts, resolve

GIB = 1024**3


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("acme/tiny", HubName("acme", "tiny")),
        ("hf.co/acme/tiny", HubName("acme", "tiny")),
        ("acme/tiny@q8_0", HubName("acme", "tiny", quantization="q8_0")),
        ("https://huggingface.co/acme/tiny", HubName("acme", "tiny")),
        (
            "https://huggingface.co/acme/tiny@Q8_0",
            HubName("acme", "tiny", quantization="Q8_0"),
        ),
        (
            "https://huggingface.co/acme/tiny/blob/v2/a/m%20x.gguf?download=true",
            HubName("acme", "tiny", "v2", "a/m x.gguf"),
        ),
        (
            "https://hf.co/acme/tiny/tree/main/q8",
            HubName("acme", "tiny", "main", "q8/*"),
        ),
        ("https://hf.co/acme/tiny/tree/v3", HubName("acme", "tiny", "v3")),
    ],
)
def test_a_name_or_a_link_leads_to_a_repository(text, name):
    assert hub_name(text) == name
    assert name.model == "acme/tiny"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tiny",
        "acme/tiny/more",
        "acme/tiny@a@b",
        "acme/tiny@",
        "http://huggingface.co/acme/tiny",
        "https://evil.example/acme/tiny",
        "https://me@huggingface.co/acme/tiny",
        "https://huggingface.co/acme",
        "https://huggingface.co",
        "https://huggingface.co/acme/tiny/discussions/1",
        "../etc/passwd",
    ],
)
def test_what_is_no_name_is_refused_with_how_to_write_one(text):
    with pytest.raises(BadRequest, match="model") as caught:
        hub_name(text)
    assert "owner/repo@Q4_K_M" in str(caught.value.hint)
    assert caught.value.param == "model"


def test_every_model_of_the_catalogue_is_on_the_hub():
    sources = {each.key: hub_source(each) for each in shipped()}
    assert sources["qwen/qwen3-0.6b"].repo == "Qwen3-0.6B-GGUF"
    assert None not in sources.values()


def host(memory=16, free=100):
    return HostProfile(
        "box",
        "linux",
        "x86_64",
        Cores(4, 4, 4.0),
        Memory(memory * GIB, memory * GIB),
        Disk(200 * GIB, free * GIB),
    )


REPO = {
    "m-Q2_K.gguf": 3 * GIB,
    "m-Q4_K_M.gguf": 5 * GIB,
    "m-Q8_0-00001-of-00002.gguf": 5 * GIB,
    "m-Q8_0-00002-of-00002.gguf": 4 * GIB,
    "mmproj-F16.gguf": 1 * GIB,
    "README.md": 1,
}


@pytest.mark.parametrize(
    ("memory", "free", "recommended", "fits"),
    [
        (32, 100, "Q4_K_M", ["fits", "fits", "fits"]),
        (10, 100, "Q4_K_M", ["fits", "fits", "too large"]),
        (8, 100, "Q2_K", ["fits", "tight", "too large"]),
        (2, 100, "Q2_K", ["too large", "too large", "too large"]),
        (32, 5, "Q2_K", ["fits", "no disk", "no disk"]),
    ],
)
def test_what_suits_the_machine_is_recommended(memory, free, recommended, fits):
    offered = choices(REPO, host(memory, free), Guardrails())
    assert [each.quantization for each in offered] == ["Q2_K", "Q4_K_M", "Q8_0"]
    assert [each.fit for each in offered] == fits
    assert [each.quantization for each in offered if each.recommended] == [recommended]
    assert choose(offered, None).quantization == recommended


def test_a_choice_has_all_its_files_and_says_what_they_take():
    small, usual, large = choices(REPO, host(), Guardrails())
    assert large.files == (
        "m-Q8_0-00001-of-00002.gguf",
        "m-Q8_0-00002-of-00002.gguf",
        "mmproj-F16.gguf",
    )
    assert (large.size, usual.size) == (10 * GIB, 6 * GIB)
    assert usual.advice == "takes about 6.6 GiB"
    assert "worse below 4 bits" in small.advice
    assert choose((small, usual, large), "q8_0") == large
    assert choose((small, usual, large), "Q5_0") is None


def test_a_repository_without_a_gguf_is_one_mlx_folder():
    names = {"config.json": 10, "model.safetensors": GIB, "tokenizer.json": 10}
    [only] = choices(names, host(), Guardrails())
    assert (only.format, only.file, only.recommended) == ("mlx", "model.safetensors", True)
    assert choices({"README.md": 1}, host(), Guardrails()) == ()


def model(file="m-Q4_K_M.gguf", quantization="Q4_K_M", key="acme/m"):
    return HubModel(key, "acme", "m", "c" * 40, file, quantization)


def test_the_first_model_of_a_repository_has_its_name_and_keeps_it():
    first = model()
    assert key_for(first, (), ()) == "acme/m"
    assert key_for(first, (), {"acme/m"}) == "acme/m@Q4_K_M"  # a file declares that one
    other = model("m-Q8_0.gguf", "Q8_0")
    assert key_for(other, (first,), ()) == "acme/m@Q8_0"
    newer = HubModel("acme/m", "acme", "m", "d" * 40, first.file, "Q4_K_M")
    assert key_for(newer, (first,), ()) == "acme/m"


def test_two_quantizations_of_one_repository_are_loaded_apart():
    small, large = model(), model("m-Q8_0.gguf", "Q8_0", "acme/m@Q8_0")
    here = {each.model: each.weights for each in (small, large)}
    loads = (ManualLoad("m", "acme/m", "acme/m"), ManualLoad("big", "acme/m@Q8_0", "big"))
    bundle = read({}).bundle
    desired = resolve(bundle, HostFacts("/run", local_models=here, manual=loads)).desired
    made_of = {each.name: each.weights for each in desired.instances}
    assert made_of == {"m": small.weights, "big": large.weights}
    known = sorted(here)
    assert decide(Wish("ACME/M@q8_0"), desired, known, now=0.0).name == "big"
    assert decide(Wish("acme/m"), desired, known, now=0.0).name == "m"
