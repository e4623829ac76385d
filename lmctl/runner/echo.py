"""An engine without weights: it says back what it was told, as slowly and as badly as asked.

Its weights file is a small JSON script (see `Script`), so that everything around an engine, from
the queue to the daemon's watchdog, can be tried in milliseconds and on purpose: slow loads, slow
tokens, crashes, hangs. It keeps to the port like any other engine: many sequences, one step.

A token is its own text: up to 32 bytes read as one number behind a leading 1, so any word has a
token and nothing has to be remembered.
"""

import hashlib
import os
import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Final

import msgspec

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import FailureKind, LoadSettings
from lmctl.base.talk import ChosenToken, Image, Sampling, TokenChoice
from lmctl.runner.port import (
    Bell,
    Facts,
    Feed,
    Full,
    Interrupted,
    LoadFailed,
    Matcher,
    Picture,
    Sampled,
)

END: Final = 0
BOS: Final = "<|begin|>"
EOS: Final = "<|end|>"
TEMPLATE: Final = (
    "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
_WORD: Final = re.compile(r"<\|\w+\|>|(?:(?!<\|\w+\|>)\S)+\s*|\s+")
_LAST_USER: Final = re.compile(r"<\|user\|>((?:(?!<\|user\|>).)*?)<\|end\|>", re.DOTALL)
_LONGEST: Final = 32
_BYTES: Final = 256
_NUMBERS: Final = 2**31
_TICK = 0.05


class Script(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an echo engine does. Times are in seconds; counts are of tokens produced since the load.

    `reply` None says back the last user message (of a raw prompt: the prompt). `bytes_per_token`
    cuts the text into tokens of that many bytes, in the middle of characters too. `embeds` makes it
    an embedding model, with vectors of that many numbers; `sees` lets it take images, of which it
    says how many bytes they have.
    """

    reply: str | None = None
    load_seconds: float = 0.0
    token_seconds: float = 0.0
    prefill_seconds_per_token: float = 0.0
    context_length: int | None = None
    bytes_per_token: int | None = None
    chat_template: str | None = TEMPLATE
    embeds: int = 0
    sees: bool = False
    fail_load: str | None = None
    fail_kind: FailureKind = FailureKind.CONFIG
    fail_after_tokens: int | None = None
    crash_after_tokens: int | None = None
    hang_after_tokens: int | None = None


@dataclass(slots=True)
class _Choosing:
    """How the answer of one sequence goes on; `reply` is known once the prompt is read."""

    matcher: Matcher | None
    logprobs: int | None
    reply: Iterator[int] | None = None


class EchoEngine:
    """Answers every sequence with its script's reply, one token per step.

    What it says back is what the sequence has read, so reading too little or too much is heard.
    """

    def __init__(self, script: Script, settings: LoadSettings) -> None:
        self._script = script
        self._shared = settings.unified_kv
        self._read: dict[int, list[int]] = {}
        self._choosing: dict[int, _Choosing] = {}
        self._produced = 0
        self.facts = Facts(
            architecture="echo",
            context_length=script.context_length or settings.context_length,
            slots=settings.parallel,
            step_tokens=settings.physical_batch_size,
            most_wanted=settings.most_wanted,
            vocabulary=_NUMBERS,
            chat_template=script.chat_template,
            bos=BOS,
            eos=EOS,
            adds_bos=True,
            can_copy=True,
            can_cut=True,
            can_shift=True,
            vision=script.sees,
        )

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        del parse_special  # its control tokens are words like any other
        begin = [_token(BOS.encode())] if add_bos else []
        return begin + [_token(piece) for piece in self._cut(text)]

    def piece(self, token: int) -> bytes:
        if token == END:
            return b""
        return token.to_bytes((token.bit_length() + 7) // 8, "big")[1:]

    def pieces(self) -> list[bytes]:
        # Constrained, it says one byte at a time: words without end make no vocabulary.
        return [b""] * _BYTES + [bytes([byte]) for byte in range(_BYTES)]

    def is_end(self, token: int) -> bool:
        return token == END

    def begin(
        self,
        sequence: int,
        sampling: Sampling,
        prompt: Sequence[int],
        *,
        matcher: Matcher | None = None,
        logprobs: int | None = None,
    ) -> None:
        del sampling, prompt  # an echo has no choice, and says back what it reads
        self._read.setdefault(sequence, [])
        self._choosing[sequence] = _Choosing(matcher, logprobs)

    def step(self, feeds: Sequence[Feed], bell: Bell) -> list[list[Sampled]]:
        prefilled = sum(len(feed.tokens) for feed in feeds if len(feed.tokens) > max(feed.wants, 1))
        decodes = any(feed.wants for feed in feeds)
        self.pass_time(prefilled * self._script.prefill_seconds_per_token, bell, beat=_TICK)
        self.pass_time(self._script.token_seconds if decodes else 0.0, bell)
        self._check_room(feeds)
        for feed in feeds:
            self._read[feed.sequence].extend(feed.tokens)
        return [self._sample(feed) for feed in feeds]

    def see(self, image: Image) -> list[Picture | list[int]]:
        mark = -1 - int.from_bytes(hashlib.sha256(image.data).digest()[:8], "big")
        return [Picture(1, mark, _token(f"[{len(image.data)} bytes] ".encode()))]

    def look(self, sequence: int, picture: Picture, bell: Bell) -> None:
        self.pass_time(self._script.token_seconds, bell)
        self._read[sequence].append(picture.native)

    def copy(self, source: int, target: int) -> None:
        self._read[target] = list(self._read[source])

    def cuttable(self, sequence: int) -> int:
        del sequence  # every word is kept
        return 0

    def cut(self, sequence: int, begin: int) -> None:
        del self._read[sequence][begin:]

    def shift(self, sequence: int, *, keep: int, discard: int) -> None:
        del self._read[sequence][keep : keep + discard]

    def rest(self, sequence: int) -> None:
        del self._choosing[sequence]

    def forget(self, sequence: int) -> None:
        del self._read[sequence]
        self._choosing.pop(sequence, None)

    def close(self) -> None:
        self._read.clear()
        self._choosing.clear()

    def _cut(self, text: str) -> Iterator[bytes]:
        size = self._script.bytes_per_token
        words = [text.encode()] if size else [word.encode() for word in _WORD.findall(text)]
        for word in words:
            for begin in range(0, len(word), size or _LONGEST):
                yield word[begin : begin + (size or _LONGEST)]

    def _check_room(self, feeds: Sequence[Feed]) -> None:
        """Raise Full when the tokens of a step do not fit."""
        after = {sequence: len(tokens) for sequence, tokens in self._read.items()}
        for feed in feeds:
            after[feed.sequence] += len(feed.tokens)
        most = sum(after.values()) if self._shared else max(after.values())
        if most > self.facts.context_length:
            raise Full

    def _sample(self, feed: Feed) -> list[Sampled]:
        guessed = feed.tokens[len(feed.tokens) - feed.wants + 1 :]
        found: list[Sampled] = []
        for fed_next in [*guessed, None][: feed.wants]:
            found.append(self._choose(self._choosing[feed.sequence], feed))
            matcher = self._choosing[feed.sequence].matcher
            if found[-1].token != fed_next or (matcher is not None and matcher.ended):
                break
        return found

    def _choose(self, choosing: _Choosing, feed: Feed) -> Sampled:
        if choosing.reply is None:
            read = self._read[feed.sequence]  # and behind what was wanted first, only guessed
            reply = self._reply(read[: len(read) - feed.wants + 1])
            choosing.reply = reply if choosing.matcher is None else self._by_byte(reply)
        token = self._next(choosing.reply)
        if choosing.matcher is not None:
            token = _allowed(token, choosing.matcher.mask())
            token = choosing.matcher.accept(token)
        if choosing.logprobs is None:
            return Sampled(token)
        # A word may be longer than any number on the wire.
        certain = TokenChoice(token % _NUMBERS, self.piece(token), 0.0)
        return Sampled(token, ChosenToken(certain, (certain,) if choosing.logprobs else ()))

    def _by_byte(self, tokens: Iterator[int]) -> Iterator[int]:
        return (_token(bytes([byte])) for token in tokens for byte in self.piece(token))

    def _reply(self, prompt: Sequence[int]) -> Iterator[int]:
        text = self._script.reply
        if text is None:
            said = b"".join(map(self.piece, prompt)).decode().removeprefix(BOS)
            turns = _LAST_USER.findall(said)
            text = turns[-1] if turns else said
        return iter(self.tokenize(text, add_bos=False, parse_special=False))

    def _next(self, reply: Iterator[int]) -> int:
        self.count_one()
        return next(reply, END)

    def count_one(self) -> None:
        """Count something made, and break as the script says."""
        script = self._script
        if script.fail_after_tokens is not None and self._produced >= script.fail_after_tokens:
            raise EngineFailed("the echo engine was told to fail")
        if script.crash_after_tokens is not None and self._produced >= script.crash_after_tokens:
            os.kill(os.getpid(), signal.SIGKILL)
        if script.hang_after_tokens is not None and self._produced >= script.hang_after_tokens:
            Bell().wait()
        self._produced += 1

    @staticmethod
    def pass_time(seconds: float, bell: Bell, *, beat: float = inf) -> None:
        """Wait as if computing; `beat` is after how many seconds a sign of life is due."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            if bell.wait(min(left, beat)):
                raise Interrupted
            bell.beat()


def _token(piece: bytes) -> int:
    return int.from_bytes(b"\x01" + piece, "big")


_CLOSING: Final = (END, *(_token(mark.encode()) for mark in '"}]'))


def _allowed(token: int, mask: memoryview | None) -> int:
    """Return the token, or one the mask allows in its place: the end or what closes, if it can be."""
    if mask is None:
        return token
    bits = int.from_bytes(mask.cast("B"), "little")
    for each in (token, *_CLOSING):
        if bits >> each & 1:
            return each
    return (bits & -bits).bit_length() - 1


def load(path: Path, *, progress: Callable[[float], bool]) -> Script:
    """Read the script and take as long to load as it says.

    `progress` is called with 0..1 and returns False to give up. Raises LoadFailed.
    """
    try:
        script = msgspec.json.decode(path.read_bytes() or b"{}", type=Script)
    except (OSError, msgspec.DecodeError) as error:
        raise LoadFailed(
            f"{path.name} is no echo script: {error}", kind=FailureKind.CONFIG
        ) from error
    begin = time.monotonic()
    while (passed := time.monotonic() - begin) < script.load_seconds:
        if not progress(passed / script.load_seconds):
            raise LoadFailed("the load was called off", kind=FailureKind.TRANSIENT)
        time.sleep(min(_TICK, script.load_seconds - passed))
    if script.fail_load is not None:
        raise LoadFailed(script.fail_load, kind=script.fail_kind)
    progress(1.0)
    return script
