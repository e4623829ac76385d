"""How the next token is chosen from llama.cpp's logits: LM Studio's samplers in LM Studio's order.

Bias and penalties, then what a constraint forbids, then top-k, typical, top-p, min-p, xtc,
temperature, draw. Bias and penalties touch a few tokens, so they are done in place with numpy: the
C sampler for penalties looks every token of the vocabulary up in a hash table. The rest is a C
chain, which begins with the cut to top-k.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import llama_cpp as library
import numpy as np

from lmctl.base.talk import Mirostat, Sampling
from lmctl.runner.choosing import (
    FARTHEST,
    GREEDY_BELOW,
    REMEMBERED,
    XTC_THRESHOLD,
    Logits,
    allowed,
    seed_of,
)
from lmctl.runner.port import Matcher

_MIROSTAT_LOOKS_AT: Final = 100  # tokens that version 1 estimates from: llama.cpp's default


class Sampler:
    """Chooses tokens for one sequence. The same seed, prompt and settings choose the same.

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
        self._greedy = sampling.temperature < GREEDY_BELOW
        self._recent = deque(history, maxlen=REMEMBERED)
        self._repeat = sampling.repeat_penalty or 1.0
        self._presence = sampling.presence_penalty or 0.0
        self._frequency = sampling.frequency_penalty or 0.0
        self._penalises = (self._repeat, self._presence, self._frequency) != (1.0, 0.0, 0.0)
        self._biased = np.array([token for token, _ in sampling.logit_bias], np.int64)
        bias = np.array([bias for _, bias in sampling.logit_bias], np.float32)
        self._bias = np.clip(bias, -FARTHEST, FARTHEST)
        chosen = seed_of(sampling.seed, seed)
        self._chain = None if self._greedy else _chain(sampling, chosen, vocabulary)

    def choose(self, logits: Logits, *, context: Any, row: int) -> int:
        """Return the next token; `logits` are the context's own at that row, and are changed."""
        if self._biased.size:
            logits[self._biased] += self._bias
        if self._penalises and self._recent:
            self._penalise(logits)
        if self._matcher is not None:
            # Last of what changes the logits: no bias brings back what is forbidden.
            _forbid(logits, self._matcher.mask())
        if self._chain is None:
            token = int(logits.argmax())
        else:
            token = int(library.llama_sampler_sample(self._chain, context, row))
        if self._matcher is not None:
            token = self._matcher.accept(token)
        self._recent.append(token)
        return token

    @property
    def ended(self) -> bool:
        """Whether its constraint lets nothing follow."""
        return self._matcher is not None and self._matcher.ended

    def close(self) -> None:
        """Free the chain."""
        if self._chain is not None:
            library.llama_sampler_free(self._chain)
            self._chain = None

    def _penalise(self, logits: Logits) -> None:
        """Apply llama.cpp's rule: divide what is likely, multiply what is not, then subtract."""
        tokens, counts = np.unique(np.fromiter(self._recent, np.int64), return_counts=True)
        seen = logits[tokens]
        seen = np.where(seen > 0, seen / self._repeat, seen * self._repeat)
        logits[tokens] = seen - counts * self._frequency - self._presence


def _forbid(logits: Logits, mask: memoryview | None) -> None:
    """Leave only the tokens whose bit is set."""
    if mask is None:
        return
    np.copyto(logits, -np.inf, where=~allowed(mask, logits.size))


def _chain(sampling: Sampling, seed: int, vocabulary: int) -> Any:
    params = library.llama_sampler_chain_default_params()
    params.no_perf = True
    chain = library.llama_sampler_chain_init(params)
    for each in _links(sampling, seed, vocabulary):
        library.llama_sampler_chain_add(chain, each)
    return chain


def _links(sampling: Sampling, seed: int, vocabulary: int) -> Iterable[Any]:
    """Yield llama.cpp's samplers in its own order; mirostat stands in place of every cut."""
    if sampling.mirostat is not None:
        yield library.llama_sampler_init_temp(sampling.temperature)
        yield _mirostat(sampling.mirostat, seed, vocabulary)
        return
    if sampling.top_k > 0:
        yield library.llama_sampler_init_top_k(sampling.top_k)
    if sampling.typical_p is not None and sampling.typical_p < 1:
        yield library.llama_sampler_init_typical(sampling.typical_p, 1)
    if sampling.top_p is not None and sampling.top_p < 1:
        yield library.llama_sampler_init_top_p(sampling.top_p, 1)
    if sampling.min_p:
        yield library.llama_sampler_init_min_p(sampling.min_p, 1)
    if sampling.xtc_probability:
        threshold = XTC_THRESHOLD if sampling.xtc_threshold is None else sampling.xtc_threshold
        yield library.llama_sampler_init_xtc(sampling.xtc_probability, threshold, 1, seed)
    yield library.llama_sampler_init_temp(sampling.temperature)
    yield library.llama_sampler_init_dist(seed)


def _mirostat(asked: Mirostat, seed: int, vocabulary: int) -> Any:
    target, rate = asked.target_entropy, asked.learning_rate
    if asked.version == 1:
        return library.llama_sampler_init_mirostat(
            vocabulary, seed, target, rate, _MIROSTAT_LOOKS_AT
        )
    return library.llama_sampler_init_mirostat_v2(seed, target, rate)
