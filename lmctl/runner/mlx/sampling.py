"""How the next token is chosen from MLX's logits, by mlx-lm's processors and samplers.

Bias and penalties, then what a constraint forbids, then top-p, min-p, xtc, top-k, temperature,
draw: mlx-lm's order, which cuts to top-k last. There is no typical-p and no mirostat.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import mlx.core as mx
import numpy as np
from mlx_lm.sample_utils import make_logits_processors, make_sampler

from lmctl.base.talk import Sampling
from lmctl.runner.choosing import (
    FARTHEST,
    GREEDY_BELOW,
    REMEMBERED,
    XTC_THRESHOLD,
    allowed,
    seed_of,
)
from lmctl.runner.port import Matcher

_LEAST_TOP_P: Final = 1e-6
"""mlx-lm takes 0 for "off"; it means the likeliest token alone."""
_XTC_MOST: Final = 0.5
"""Above this there are no two tokens to leave one of."""
_DRAWS: Final = 32


class Sampler:
    """Chooses tokens for one sequence. The same seed, prompt and settings choose the same, whoever
    else is at work: every draw has a key of its own.

    `logprobs` is how many of the likeliest tokens the asker wants to hear of, None for nothing.
    """

    def __init__(
        self,
        sampling: Sampling,
        *,
        seed: int | None,
        vocabulary: int,
        history: Iterable[int],
        matcher: Matcher | None = None,
        logprobs: int | None = None,
    ) -> None:
        self.logprobs = logprobs
        self._matcher = matcher
        self._vocabulary = vocabulary
        self._recent = deque(history, maxlen=REMEMBERED)
        self._processors = _processors(sampling)
        self._sampler = _sampler(sampling, vocabulary)
        self._seed = seed_of(sampling.seed, seed)
        self._draws = 0

    def draw(self, logits: mx.array) -> mx.array:
        """Return the token that is chosen from one row of logits, not evaluated yet; the next call
        is `take` with it.
        """
        found = logits[None].astype(mx.float32)
        if self._processors and self._recent:
            recent = mx.array(list(self._recent))
            for process in self._processors:
                found = process(recent, found)
        found = self._held(found)
        if self._sampler is None:
            return mx.argmax(found, axis=-1)
        found = found - mx.logsumexp(found, axis=-1, keepdims=True)
        mx.random.seed((self._seed << _DRAWS) | self._draws)
        self._draws += 1
        return self._sampler(found)

    def take(self, token: int) -> int:
        """Note which token was chosen; return it, or the one its constraint puts in its place."""
        if self._matcher is not None:
            token = self._matcher.accept(token)
        self._recent.append(token)
        return token

    @property
    def ended(self) -> bool:
        """Whether its constraint lets nothing follow."""
        return self._matcher is not None and self._matcher.ended

    def _held(self, logits: mx.array) -> mx.array:
        """Leave what the constraint allows. Last of what changes the logits: no bias brings back
        what is forbidden.
        """
        mask = None if self._matcher is None else self._matcher.mask()
        if mask is None:
            return logits
        return mx.where(mx.array(allowed(mask, self._vocabulary)), logits, -mx.inf)


def _processors(sampling: Sampling) -> list[Any]:
    repeat = sampling.repeat_penalty or 0.0
    bias = {token: float(np.clip(bias, -FARTHEST, FARTHEST)) for token, bias in sampling.logit_bias}
    found: list[Any] = make_logits_processors(
        logit_bias=bias,
        repetition_penalty=repeat if repeat > 0 and repeat != 1 else None,
        repetition_context_size=REMEMBERED,
        presence_penalty=sampling.presence_penalty,
        presence_context_size=REMEMBERED,
        frequency_penalty=sampling.frequency_penalty,
        frequency_context_size=REMEMBERED,
    )
    return found


def _sampler(sampling: Sampling, vocabulary: int) -> Any:
    """Return mlx-lm's, None where the likeliest token is taken."""
    if sampling.temperature < GREEDY_BELOW:
        return None
    top_p = 1.0 if sampling.top_p is None else max(sampling.top_p, _LEAST_TOP_P)
    threshold = XTC_THRESHOLD if sampling.xtc_threshold is None else sampling.xtc_threshold
    xtc = min(sampling.xtc_probability or 0.0, 1.0)
    return make_sampler(
        temp=sampling.temperature,
        top_p=top_p,
        # What is out of range is an error of the step to mlx-lm, so it must not get there.
        min_p=min(max(sampling.min_p or 0.0, 0.0), 1.0),
        top_k=sampling.top_k if 0 < sampling.top_k < vocabulary else 0,
        xtc_probability=xtc if 0 <= threshold <= _XTC_MOST else 0.0,
        xtc_threshold=threshold,
    )
