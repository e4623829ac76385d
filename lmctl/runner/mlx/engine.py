"""MLX behind the engine's port, with the models of mlx-lm.

What is read of prompts goes sequence by sequence, in pieces; then all sequences a token is wanted
of are computed together, as far as they want equally many.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

import mlx.core as mx
import numpy as np

from lmctl.base.errors import EngineFailed
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Image, Sampling
from lmctl.runner.logprobs import LogProbabilities
from lmctl.runner.mlx.load import Opened
from lmctl.runner.mlx.sampling import Sampler
from lmctl.runner.port import Bell, Facts, Feed, Full, Interrupted, Matcher, Picture, Sampled

_PIECE: Final = 256
"""Tokens of one prompt that are read without hearing the bell."""


class MlxEngine:
    """A loaded model of mlx-lm with many sequences."""

    def __init__(self, opened: Opened, settings: LoadSettings) -> None:
        self._tokens = opened.tokens
        self._memory = opened.memory
        self._seed = settings.seed
        self._samplers: dict[int, Sampler] = {}
        self.facts = Facts(
            architecture=opened.architecture,
            context_length=settings.context_length,
            slots=settings.parallel,
            step_tokens=max(settings.physical_batch_size, settings.parallel + 1),
            most_wanted=settings.most_wanted,
            vocabulary=opened.vocabulary,
            chat_template=opened.tokens.chat_template,
            bos=opened.tokens.bos,
            eos=opened.tokens.eos,
            adds_bos=opened.tokens.adds_bos,
            can_copy=True,
            can_cut=opened.memory.can_cut,
            can_shift=False,  # keys are kept turned to their positions
        )

    def tokenize(self, text: str, *, add_bos: bool, parse_special: bool) -> list[int]:
        return self._tokens.tokenize(text, add_bos=add_bos, parse_special=parse_special)

    def piece(self, token: int) -> bytes:
        return self._tokens.piece(token)

    def pieces(self) -> list[bytes]:
        return self._tokens.pieces(self.facts.vocabulary)

    def is_end(self, token: int) -> bool:
        return self._tokens.is_end(token)

    def begin(
        self,
        sequence: int,
        sampling: Sampling,
        prompt: Sequence[int],
        *,
        matcher: Matcher | None = None,
        logprobs: int | None = None,
    ) -> None:
        self._memory.open(sequence)
        self._samplers[sequence] = Sampler(
            sampling,
            seed=self._seed,
            vocabulary=self.facts.vocabulary,
            history=prompt,
            matcher=matcher,
            logprobs=logprobs,
        )

    def step(self, feeds: Sequence[Feed], bell: Bell) -> list[list[Sampled]]:
        before = {feed.sequence: self._memory.read(feed.sequence) for feed in feeds}
        longest = max(before[feed.sequence] + len(feed.tokens) for feed in feeds)
        if longest > self.facts.context_length:
            raise Full
        try:
            for feed in feeds:
                self._read(feed, bell)
            return self._sample(feeds, bell)
        except Interrupted:
            for sequence, read in before.items():
                self._memory.cut(sequence, read)
            raise
        except RuntimeError as error:
            raise EngineFailed(f"MLX failed: {error}") from error

    def see(self, image: Image) -> list[Picture | list[int]]:
        del image  # nothing asks: it has no vision
        return []

    def look(self, sequence: int, picture: Picture, bell: Bell) -> None:
        """Do nothing: there are no pictures."""

    def copy(self, source: int, target: int) -> None:
        self._memory.copy(source, target)

    def cuttable(self, sequence: int) -> int:
        return self._memory.cuttable(sequence)

    def cut(self, sequence: int, begin: int) -> None:
        self._memory.cut(sequence, begin)

    def shift(self, sequence: int, *, keep: int, discard: int) -> None:
        """Do nothing: `Facts.can_shift` says that nothing can be moved."""

    def rest(self, sequence: int) -> None:
        del self._samplers[sequence]
        if not self._samplers:
            mx.clear_cache()  # what was computed with is of use to others now

    def forget(self, sequence: int) -> None:
        if sequence in self._samplers:
            self.rest(sequence)
        self._memory.forget(sequence)

    def close(self) -> None:
        self._samplers.clear()
        mx.clear_cache()

    def _read(self, feed: Feed, bell: Bell) -> None:
        """Read all of a feed but the tokens behind which one is wanted."""
        end = len(feed.tokens) - feed.wants
        for begin in range(0, end, _PIECE):
            if bell.is_set() and self._memory.can_cut:
                raise Interrupted
            piece = feed.tokens[begin : min(begin + _PIECE, end)]
            self._memory.forward([feed.sequence], [piece])
            mx.eval(self._memory.kept([feed.sequence]))
            bell.beat()

    def _sample(self, feeds: Sequence[Feed], bell: Bell) -> list[list[Sampled]]:
        found: dict[int, list[Sampled]] = {}
        wanting = sorted((feed for feed in feeds if feed.wants), key=lambda feed: feed.wants)
        for wants, group in groupby(wanting, key=lambda feed: feed.wants):
            together = list(group)  # in ascending order of sequences still: sorting is stable
            sequences = [feed.sequence for feed in together]
            tails = [feed.tokens[-wants:] for feed in together]
            logits = self._memory.forward(sequences, tails)
            mx.async_eval(logits, self._memory.kept(sequences))
            found |= zip(sequences, self._choose(together, logits), strict=True)
            bell.beat()
        return [found.get(feed.sequence, []) for feed in feeds]

    def _choose(self, feeds: Sequence[Feed], logits: mx.array) -> Iterable[list[Sampled]]:
        """Choose behind each token, up to the first guess that was wrong."""
        samplers = [self._samplers[feed.sequence] for feed in feeds]
        first = [sampler.draw(rows[0]) for sampler, rows in zip(samplers, logits, strict=True)]
        mx.eval(first)
        for sampler, feed, rows, drawn in zip(samplers, feeds, logits, first, strict=True):
            found = [self._taken(sampler, rows[0], drawn)]
            for place, guessed in enumerate(feed.tokens[len(feed.tokens) - feed.wants + 1 :], 1):
                if sampler.ended or found[-1].token != guessed:
                    break
                found.append(self._taken(sampler, rows[place], sampler.draw(rows[place])))
            yield found

    def _taken(self, sampler: Sampler, logits: mx.array, drawn: mx.array) -> Sampled:
        token = sampler.take(int(drawn.item()))
        if sampler.logprobs is None:
            return Sampled(token)
        told = LogProbabilities(np.array(logits.astype(mx.float32)))
        return Sampled(token, told.of(token, sampler.logprobs, piece=self.piece))
