"""From a call to a job: the conversation as text, the text as tokens, the limits checked."""

import math
from collections.abc import Sequence
from datetime import datetime
from functools import partial

from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Chat, Prompt, Sampling, Texts
from lmctl.runner import images
from lmctl.runner.constraining import Constraining
from lmctl.runner.embedding import EmbeddingJob
from lmctl.runner.embedding_texts import prepare_texts
from lmctl.runner.guessing import guessing_of
from lmctl.runner.job import Job
from lmctl.runner.overflow import Tokens, kept, shortened
from lmctl.runner.port import EmbeddingEngine, Engine
from lmctl.runner.prompted import conversed, prompted
from lmctl.runner.text import TextAssembler


def prepare(
    engine: Engine | EmbeddingEngine,
    call: Call,
    *,
    constraining: Constraining | None,
    load: LoadSettings,
    now: datetime,
    deadline: float,
) -> Job | EmbeddingJob:
    """Return the call as a job for the scheduler; `load` is how the instance was told to be.

    `constraining` makes the matcher of a constrained answer. Raises BadRequest when the call cannot
    be answered by this model.
    """
    if isinstance(engine, EmbeddingEngine):
        return prepare_texts(engine, call, deadline=deadline)
    assert constraining is not None  # noqa: S101 - whatever makes tokens has one
    if call.max_tokens is not None and call.max_tokens < 1:
        raise BadRequest(
            f"max_tokens is {call.max_tokens}, expected at least 1",
            param="max_tokens",
            hint="leave it out to let the model decide when to stop",
        )
    _check_bias(call.sampling, engine.facts.vocabulary)
    if isinstance(call.input, Texts):
        raise BadRequest(
            "this model answers with text, not with vectors",
            param="model",
            hint="ask an embedding model for embeddings",
        )
    asked = images.shown(call.input)
    found = prompted(engine, call, asked.given, load=load, now=now)
    read = _read(engine, asked, found.text)
    tokens, keep = read.tokens, None
    if read.pictures:  # none of them can be cut into, so nothing is left out
        _check_size(len(tokens), engine.facts.context_length, param=_param(call.input))
    else:
        again = partial(tokens_of, engine, chat_template=load.chat_template, now=now)
        tokens, keep = _fitted(engine, call, call.input, tokens, again)
    room = engine.facts.context_length - len(tokens)
    most = room if call.max_tokens is None else min(room, call.max_tokens)
    guessing = guessing_of(call.drafting, load, can_cut=engine.facts.can_cut)
    return Job(
        id=call.id,
        prompt=tokens,
        pictures=read.pictures,
        sampling=call.sampling,
        max_tokens=call.max_tokens,
        text=TextAssembler(call.stop),
        deadline=deadline,
        matcher=found.matcher(constraining, most=most),
        reader=found.reader,
        logprobs=call.logprobs,
        # What stands for a picture is no token: nothing that guesses could read it.
        guessing=None if read.pictures else guessing,
        keep=keep,
        progress=call.progress,
        said=found.text,
    )


def _fitted(
    engine: Engine, call: Call, asked: Chat | Prompt, tokens: list[int], read: Tokens
) -> tuple[list[int], int | None]:
    """Return the prompt's tokens, shortened where that is the policy, and how many must stay."""
    context = engine.facts.context_length
    most = context if call.max_tokens is None else call.max_tokens
    stops = call.overflow == "stopAtLimit"
    _check_size(len(tokens), context if stops else None, param=_param(asked))
    if stops or len(tokens) + most <= context:
        return tokens, None
    keep = kept(asked, tokens, call.overflow, context=context, read=read)
    return (shortened(tokens, keep, context=context) if len(tokens) >= context else tokens), keep


def tokens_of(
    engine: Engine | EmbeddingEngine,
    given: Chat | Prompt,
    *,
    chat_template: str | None,
    now: datetime,
) -> list[int]:
    """Return the prompt as the model will read it. Raises BadRequest when its template refuses it, or
    when it has tokens that the model has not.
    """
    asked = images.shown(given)
    given = asked.given
    text = (
        given.text
        if isinstance(given, Prompt)
        else conversed(engine, given, chat_template=chat_template, now=now).prompt
    )
    return _read(engine, asked, text).tokens


def _read(engine: Engine | EmbeddingEngine, asked: images.Shown, text: str) -> images.Read:
    given = asked.given
    if isinstance(given, Prompt) and given.tokens is not None:
        return images.Read(_known_tokens(given.tokens, engine.facts.vocabulary))
    return images.read(engine, text, asked)


def _known_tokens(tokens: Sequence[int], vocabulary: int) -> list[int]:
    for token in tokens:
        if not 0 <= token < vocabulary:
            raise BadRequest(
                f"{token} is no token of this model",
                param="prompt",
                hint=f"its tokens are 0 to {vocabulary - 1}",
            )
    return list(tokens)


def _check_bias(sampling: Sampling, vocabulary: int) -> None:
    """Engines index their logits with these: a token beyond the vocabulary must not reach them."""
    for token, bias in sampling.logit_bias:
        if not 0 <= token < vocabulary or math.isnan(bias):
            raise BadRequest(
                f"logit_bias {token}: {bias} is not a token and a number",
                param="logit_bias",
                hint=f"tokens of this model are 0 to {vocabulary - 1}",
            )


def _check_size(size: int, context_length: int | None, *, param: str) -> None:
    if size == 0:
        raise BadRequest("the prompt is empty", param=param, hint="send at least one character")
    if context_length is not None and size >= context_length:
        raise BadRequest(
            f"the prompt has {size} tokens and the context length is {context_length}:"
            " there is no room for an answer",
            param=param,
            code="context_length_exceeded",
            hint="shorten the conversation, load the model with a larger `contextLength`, or set a"
            " `contextOverflowPolicy` that drops a part of it",
        )


def _param(given: Chat | Prompt) -> str:
    return "prompt" if isinstance(given, Prompt) else "messages"
