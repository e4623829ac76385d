"""What an imported file is called, and what comes along with it."""

import pytest

from lmctl.planning.import_names import belonging, model_name


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Qwen3-4B-Q4_K_M.gguf", "Qwen3-4B"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "SmolLM2-135M-Instruct"),
        ("gemma-3-4b-it-q8_0-00001-of-00002.gguf", "gemma-3-4b-it"),
        ("Q4_K_M.gguf", "Q4_K_M"),
        ("my model (old).gguf", "my-model-old"),
        ("model.safetensors", "model"),
        ("§.gguf", "model"),
    ],
)
def test_a_name_is_the_files_without_quantization_and_ending(file, name):
    assert model_name(file) == name


def test_a_split_set_comes_whole_and_a_projector_comes_along():
    beside = ["x-00001-of-00002.gguf", "other.gguf", "mmproj-x-F16.gguf"]
    found = belonging("x-00001-of-00002.gguf", beside)
    assert found == ("x-00001-of-00002.gguf", "x-00002-of-00002.gguf", "mmproj-x-F16.gguf")
    assert belonging("mmproj-x-F16.gguf", beside) == ("mmproj-x-F16.gguf",)


def test_an_mlx_folder_comes_whole():
    beside = ["model.safetensors", "config.json", "tokenizer.json", "notes.txt"]
    assert set(belonging("model.safetensors", beside)) == set(beside) - {"notes.txt"}
    assert belonging("model.safetensors", ["model.safetensors"]) == ("model.safetensors",)
