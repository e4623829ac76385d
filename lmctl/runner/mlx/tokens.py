"""Texts and tokens of an MLX folder: its `tokenizer.json`, read by the library it was written for.

Everything here may be used from any thread.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from tokenizers import Tokenizer

from lmctl.base.spec import FailureKind
from lmctl.planning.mlx_names import CONFIG, SETTINGS, TEMPLATES, TOKENIZER, template_of
from lmctl.runner.port import LoadFailed


class Tokens:
    """How one model's texts become tokens, and tokens bytes."""

    def __init__(self, folder: Path) -> None:
        """Read the folder's tokenizer. Raises LoadFailed when it has none that can be read."""
        self._told = _told(folder / SETTINGS)
        self._knowing = _opened(folder / TOKENIZER)
        self._plain = _opened(folder / TOKENIZER)
        self._plain.encode_special_tokens = True  # control tokens in it are words like any other
        self._pieces = _pieces(self._knowing)
        self.bos = self._text("bos_token")
        self.eos = self._text("eos_token")
        self.adds_bos = self._adds_bos()
        self.chat_template = _template(folder, self._told)
        self._ends = frozenset(self._end_tokens(folder))

    @property
    def size(self) -> int:
        """One more than the highest token that has a text."""
        return len(self._pieces)

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        begin = self._knowing.token_to_id(self.bos) if add_bos and self.bos else None
        reader = self._knowing if parse_special else self._plain
        found: list[int] = reader.encode(text, add_special_tokens=False).ids
        return found if begin is None else [begin, *found]

    def piece(self, token: int) -> bytes:
        return self._pieces[token] if token < len(self._pieces) else b""

    def pieces(self, vocabulary: int) -> list[bytes]:
        """Return the piece of each token of a model that can say so many."""
        return [self.piece(token) for token in range(vocabulary)]

    def is_end(self, token: int) -> bool:
        return token in self._ends

    def _text(self, name: str) -> str:
        told = self._told.get(name) or ""
        return str(told.get("content", "") if isinstance(told, dict) else told)

    def _adds_bos(self) -> bool:
        told = self._told.get("add_bos_token")
        if isinstance(told, bool):
            return told and bool(self.bos)
        begin = self._knowing.encode("", add_special_tokens=True).ids[:1]
        return bool(begin) and begin[0] == self._knowing.token_to_id(self.bos or "\0")

    def _end_tokens(self, folder: Path) -> Iterator[int]:
        """Yield what the model may end with, wherever its folder says so."""
        for name in (CONFIG, "generation_config.json"):
            told = _told(folder / name)
            for each in (told, told.get("text_config")):
                ends = each.get("eos_token_id") if isinstance(each, dict) else None
                yield from (end for end in ([ends] if isinstance(ends, int) else ends or ()))
        if self.eos and (end := self._knowing.token_to_id(self.eos)) is not None:
            yield end


def _opened(path: Path) -> Any:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise LoadFailed(
            f"the model's {TOKENIZER} cannot be read: {error}",
            kind=FailureKind.CONFIG,
            hint="an MLX model is a folder with config.json, tokenizer.json and safetensors",
        ) from error


def _told(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise LoadFailed(
            f"the model's {path.name} cannot be read: {error}", kind=FailureKind.CONFIG
        ) from error
    return found if isinstance(found, dict) else {}


def _template(folder: Path, settings: dict[str, Any]) -> str | None:
    own, beside = (folder / name for name in TEMPLATES)
    jinja = own.read_text(encoding="utf-8") if own.exists() else None
    return template_of(jinja, _told(beside), settings)


def _pieces(tokenizer: Any) -> list[bytes]:
    """Return the bytes of each token, by its number; control tokens have none."""
    words: dict[str, int] = tokenizer.get_vocab(with_added_tokens=True)
    written = json.loads(tokenizer.to_str())
    decode = _by_byte if "ByteLevel" in json.dumps(written.get("decoder")) else _by_word
    found = [b""] * (max(words.values(), default=-1) + 1)
    added = {each["id"]: each for each in written.get("added_tokens") or ()}
    for word, token in words.items():
        if token not in added:
            found[token] = decode(word)
        elif not added[token]["special"]:
            found[token] = word.encode()
    return found


def _byte_letters() -> dict[str, int]:
    """Return which byte each letter of a byte-level vocabulary stands for (GPT-2's table)."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {chr(byte): byte for byte in shown}
    return letters | {chr(256 + place): byte for place, byte in enumerate(hidden)}


_BYTES: Final = _byte_letters()


def _by_byte(word: str) -> bytes:
    if all(letter in _BYTES for letter in word):
        return bytes(_BYTES[letter] for letter in word)
    return word.encode()


def _by_word(word: str) -> bytes:
    """Return the bytes of a word in which `▁` is a space and `<0x0A>` a byte."""
    if len(word) == len("<0x00>") and word.startswith("<0x") and word.endswith(">"):
        return bytes([int(word[3:5], 16)])
    return word.replace("▁", " ").encode()
