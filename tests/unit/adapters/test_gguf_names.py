"""Which file of a repository is taken."""

import pytest

from lmctl.planning.gguf_names import is_projector, pick, quantization, split_set, split_stem

FIRST, SECOND = "a-Q8_0-00001-of-00002.gguf", "a-Q8_0-00002-of-00002.gguf"


@pytest.mark.parametrize(
    ("names", "asked", "taken"),
    [
        pytest.param(["m.gguf", "README.md"], None, ["m.gguf"], id="the only one"),
        pytest.param(["m-Q8_0.gguf", "m-Q4_K_M.gguf"], None, ["m-Q4_K_M.gguf"], id="Q4_K_M first"),
        pytest.param(["m.f16.gguf", "m.q5_k_m.gguf"], None, ["m.q5_k_m.gguf"], id="any case"),
        pytest.param(["m-odd.gguf", "m-F32.gguf"], None, ["m-F32.gguf"], id="unknown last"),
        pytest.param(["b-Q4_0.gguf", "a-Q4_0.gguf"], None, ["a-Q4_0.gguf"], id="ties by name"),
        pytest.param([SECOND, FIRST], None, [FIRST, SECOND], id="a set in order"),
        pytest.param([SECOND, FIRST], SECOND, [FIRST, SECOND], id="a part means its set"),
        pytest.param([FIRST], None, [FIRST, SECOND], id="a missing part is named"),
        pytest.param(
            ["m.gguf", "mmproj-F32.gguf", "mmproj-F16.gguf"],
            None,
            ["m.gguf", "mmproj-F16.gguf"],
            id="projector comes along",
        ),
        pytest.param(
            ["x/m.gguf", "mmproj.gguf"], "x/m.gguf", ["x/m.gguf"], id="not from elsewhere"
        ),
        pytest.param(["m-Q4_K_M.gguf", "m-Q8_0.gguf"], "*Q8*", ["m-Q8_0.gguf"], id="glob"),
        pytest.param(["m-Q8_0.gguf", "m-Q4_0.gguf"], "*.gguf", ["m-Q4_0.gguf"], id="wide glob"),
        pytest.param(["b.bin", "a.bin"], "*.bin", ["a.bin", "b.bin"], id="glob of others"),
        pytest.param(["[a].gguf"], "[a].gguf", ["[a].gguf"], id="exact before glob"),
        pytest.param(["README.md"], None, [], id="no model"),
        pytest.param(["m.gguf"], "x.gguf", [], id="no such file"),
    ],
)
def test_files_are_picked(names, asked, taken):
    assert list(pick(names, asked)) == taken


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("a-Q4_K_M.gguf", "Q4_K_M"),
        ("dir/a.iq4_xs.gguf", "IQ4_XS"),
        ("a-BF16.gguf", "BF16"),
        ("a-Q4_K_S-00001-of-00003.gguf", "Q4_K_S"),
        ("a-UD-Q2_K_XL.gguf", None),
        ("plain.gguf", None),
    ],
)
def test_the_quantization_stands_in_the_name(name, found):
    assert quantization(name) == found


def test_a_set_is_known_by_any_of_its_names():
    assert split_set(SECOND) == (FIRST, SECOND)
    assert split_set("m.gguf") == ("m.gguf",)
    assert split_stem(FIRST) == split_stem(SECOND) == "a-Q8_0"
    assert is_projector("x/mmproj-a.gguf")
    assert not is_projector("mmproj.txt")
