"""From a call to a job: the conversation as text, the text as tokens, the limits checked."""

import math
from datetime import datetime

from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Chat, Prompt, Sampling, Texts
from lmctl.chat.conversation import Conversation, conversation
from lmctl.chat.template import Markers
from lmctl.runner.answer_reader import AnswerReader, Budget, marks_of
from lmctl.runner.constraining import Constraining
from lmctl.runner.format_files import shipped
from lmctl.runner.guessing import guessing_of
from lmctl.runner.job import Job
from lmctl.runner.port import Engine
from lmctl.runner.text import TextAssembler


def prepare(
    engine: Engine,
    call: Call,
    *,
    constraining: Constraining,
    load: LoadSettings,
    now: datetime,
    deadline: float,
) -> Job:
    """Return the call as a job for the scheduler; `load` is how the instance was told to be.

    `constraining` makes the matcher of a constrained answer. Raises BadRequest when the call cannot
    be answered by this model.
    """
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
    prompt, reader = _prompted(engine, call.input, chat_template=load.chat_template, now=now)
    tokens = _tokens(engine, prompt)
    _check_size(len(tokens), engine.facts.context_length, param=_param(call.input))
    matcher = None
    if call.constraint is not None:
        room = engine.facts.context_length - len(tokens)
        most = room if call.max_tokens is None else min(room, call.max_tokens)
        matcher = constraining.matcher(call.constraint, waits=reader.thinking, most=most)
    return Job(
        id=call.id,
        prompt=tokens,
        sampling=call.sampling,
        max_tokens=call.max_tokens,
        text=TextAssembler(call.stop),
        deadline=deadline,
        reader=reader,
        matcher=matcher,
        logprobs=call.logprobs,
        guessing=guessing_of(call.drafting, load, can_cut=engine.facts.can_cut),
    )


def tokens_of(
    engine: Engine, given: Chat | Prompt, *, chat_template: str | None, now: datetime
) -> list[int]:
    """Return the prompt as the model will read it. Raises BadRequest when its template refuses it."""
    if isinstance(given, Prompt):
        return _tokens(engine, given.text)
    return _tokens(engine, _conversed(engine, given, chat_template, now=now).prompt)


def _prompted(
    engine: Engine, given: Chat | Prompt, *, chat_template: str | None, now: datetime
) -> tuple[str, AnswerReader]:
    """Return the text of the prompt, and what will read the answer."""
    if isinstance(given, Prompt):
        return given.text, AnswerReader()
    found = _conversed(engine, given, chat_template, now=now)
    reader = AnswerReader(
        found.reading, marks=marks_of(engine, found.marks), budget=_budget(engine, given, found)
    )
    return found.prompt, reader


def _budget(engine: Engine, chat: Chat, found: Conversation) -> Budget | None:
    if not chat.reasoning.budget:
        return None
    ending = engine.tokenize(found.enough, add_bos=False, parse_special=True)
    return Budget(chat.reasoning.budget, tuple(ending))


def _tokens(engine: Engine, text: str) -> list[int]:
    facts = engine.facts
    add_bos = facts.adds_bos and not (facts.bos and text.startswith(facts.bos))
    return engine.tokenize(text, add_bos=add_bos, parse_special=True)


def _conversed(
    engine: Engine, chat: Chat, chat_template: str | None, *, now: datetime
) -> Conversation:
    facts = engine.facts
    template = chat_template if chat_template is not None else facts.chat_template
    if template is None:
        raise BadRequest(
            "this model has no chat template",
            param="messages",
            hint="set `promptTemplate` of the instance, or send a raw prompt (`/v1/completions`)",
        )
    return conversation(
        chat, template, now=now, markers=Markers(facts.bos, facts.eos), formats=shipped()
    )


def _check_bias(sampling: Sampling, vocabulary: int) -> None:
    """Engines index their logits with these: a token beyond the vocabulary must not reach them."""
    for token, bias in sampling.logit_bias:
        if not 0 <= token < vocabulary or math.isnan(bias):
            raise BadRequest(
                f"logit_bias {token}: {bias} is not a token and a number",
                param="logit_bias",
                hint=f"tokens of this model are 0 to {vocabulary - 1}",
            )


def _check_size(size: int, context_length: int, *, param: str) -> None:
    if size == 0:
        raise BadRequest("the prompt is empty", param=param, hint="send at least one character")
    if size >= context_length:
        raise BadRequest(
            f"the prompt has {size} tokens and the context length is {context_length}:"
            " there is no room for an answer",
            param=param,
            code="context_length_exceeded",
            hint="shorten the conversation, or load the model with a larger `contextLength`",
        )


def _param(given: Chat | Prompt) -> str:
    return "prompt" if isinstance(given, Prompt) else "messages"
