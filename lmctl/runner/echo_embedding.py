"""An embedding engine without weights: a text's vector is the sum of its words' own.

The same word has the same vector in every process, so texts that share words are alike, and what
comes back can be worked out by whoever asks.
"""

import dataclasses
import hashlib
import math
import struct
from collections.abc import Sequence

from lmctl.base.spec import LoadSettings
from lmctl.planning.embedding import TOGETHER
from lmctl.runner.echo import EchoEngine, Script
from lmctl.runner.port import Bell

_OFFSET = 128  # a byte of a digest stands for -128 to 127


class EchoEmbedder:
    """Embeds by a script; `token_seconds` is what a step takes, faults count texts."""

    def __init__(self, script: Script, settings: LoadSettings) -> None:
        self._script = script
        self._words = EchoEngine(script, settings)
        self.facts = dataclasses.replace(
            self._words.facts,
            slots=TOGETHER,
            step_tokens=max(settings.physical_batch_size, self._words.facts.context_length),
            chat_template=None,
            kind="embedding",
            dimensions=script.embeds,
        )

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        return self._words.tokenize(text, add_bos=add_bos, parse_special=parse_special)

    def embed(self, texts: Sequence[Sequence[int]], bell: Bell) -> list[bytes]:
        self._words.pass_time(self._script.token_seconds, bell)
        for _ in texts:
            self._words.count_one()
        return [self._vector(text) for text in texts]

    def close(self) -> None:
        self._words.close()

    def _vector(self, text: Sequence[int]) -> bytes:
        words = [self._word(self._words.piece(token).strip()) for token in text]
        total = [sum(column) for column in zip(*words, strict=True)]
        length = math.hypot(*total) or 1.0
        return struct.pack(f"<{len(total)}f", *(number / length for number in total))

    def _word(self, word: bytes) -> list[int]:
        size = self.facts.dimensions
        return [byte - _OFFSET for byte in hashlib.shake_128(word).digest(size)]
