"""Texts and tokens of an MLX folder: the two ways vocabularies write bytes, and what frames texts."""

import json

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models

from lmctl.runner.mlx.tokens import Tokens
from lmctl.runner.port import LoadFailed
from tests.support import tiny_mlx


@pytest.fixture
def folder(tmp_path):
    tiny_mlx.write_tokenizer(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"eos_token_id": 7}))
    return tmp_path


def settings(folder, **more):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | more))


def test_control_tokens_are_known_in_a_text_only_where_asked(folder):
    tokens = Tokens(folder)

    known = tokens.tokenize("a<end>", add_bos=True, parse_special=True)
    plain = tokens.tokenize("a<end>", add_bos=False, parse_special=False)

    assert known == [tiny_mlx.BEGIN, ord("a"), tiny_mlx.END]
    assert plain == list(b"a<end>")


def test_pieces_are_bytes_and_control_tokens_have_none(folder):
    tokens = Tokens(folder)

    found = tokens.pieces(tiny_mlx.VOCABULARY)

    assert found[:256] == [bytes([byte]) for byte in range(256)]
    assert found[256:] == [b"", b"", b"<tool>", b"", b"", b"", b"", b""]
    said = tokens.tokenize("né\n<tool>", add_bos=False, parse_special=True)
    assert b"".join(map(tokens.piece, said)).decode() == "né\n<tool>"


def test_words_with_marked_spaces_and_bytes(tmp_path):
    words = {"<unk>": 0, "<s>": 1, "<0x0A>": 2, "▁the": 3, "<0xE2>": 4, "s>": 5}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback()])
    tokenizer.add_special_tokens([AddedToken(each, special=True) for each in ("<unk>", "<s>")])
    tokenizer.save(str(tmp_path / "tokenizer.json"))

    found = Tokens(tmp_path).pieces(7)

    assert found == [b"", b"", b"\n", b" the", b"\xe2", b"s>", b""]


@pytest.mark.parametrize(
    ("told", "adds"),
    [
        ({"add_bos_token": True}, True),
        ({"add_bos_token": False}, False),
        ({"bos_token": None}, False),
    ],
)
def test_a_begin_is_added_where_the_folder_says_so(folder, told, adds):
    settings(folder, **told)

    assert Tokens(folder).adds_bos is adds


def test_a_begin_is_added_where_the_tokenizer_itself_adds_it(folder):
    settings(folder, add_bos_token=None)
    assert not Tokens(folder).adds_bos

    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["post_processor"] = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<begin>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {
            "<begin>": {"id": "<begin>", "ids": [tiny_mlx.BEGIN], "tokens": ["<begin>"]}
        },
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))

    assert Tokens(folder).adds_bos


def test_all_that_may_end_an_answer_is_heard(folder):
    (folder / "config.json").write_text(json.dumps({"text_config": {"eos_token_id": 8}}))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [9, 10]}))

    tokens = Tokens(folder)

    assert [each for each in range(264) if tokens.is_end(each)] == [8, 9, 10, tiny_mlx.END]


def test_the_chat_template_of_a_file_comes_first_and_default_of_several(folder):
    named = [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]
    settings(folder, chat_template=named)
    assert Tokens(folder).chat_template == "d"

    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "j"}))
    assert Tokens(folder).chat_template == "j"

    (folder / "chat_template.jinja").write_text("f")
    assert Tokens(folder).chat_template == "f"


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_a_file_that_cannot_be_read_is_named(folder, name):
    (folder / name).write_text("{")

    with pytest.raises(LoadFailed, match=name):
        Tokens(folder)
