"""From a call to a job of texts: each text as tokens, cut to what the model reads."""

from collections.abc import Sequence

import structlog

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Call, Texts
from lmctl.runner.embedding import EmbeddingJob
from lmctl.runner.port import EmbeddingEngine

log = structlog.get_logger("lmctl.runner")


def prepare_texts(engine: EmbeddingEngine, call: Call, *, deadline: float) -> EmbeddingJob:
    """Return the call as a job. Raises BadRequest when it asks for what the model cannot do."""
    given = call.input
    if not isinstance(given, Texts):
        raise BadRequest(
            "this model answers with vectors, not with text",
            param="model",
            hint="ask a text model, or this one at /v1/embeddings",
        )
    _check_dimensions(given.dimensions, engine.facts.dimensions)
    if not given.texts:
        raise BadRequest("there is no text to embed", param="input")
    longest = engine.facts.context_length
    framed = engine.tokenize("", add_bos=True, parse_special=True)
    texts = [_tokens(engine, text, number) for number, text in enumerate(given.texts)]
    if cut := sum(len(text) > longest for text in texts):
        log.warning("texts cut", request=call.id, texts=cut, of=len(texts), tokens=longest)
    texts = [_cut(text, longest, framed=framed) for text in texts]
    return EmbeddingJob(call.id, texts, deadline, dimensions=given.dimensions)


def _check_dimensions(asked: int | None, there_are: int) -> None:
    if asked is not None and not 1 <= asked <= there_are:
        raise BadRequest(
            f"dimensions is {asked}, expected 1 to {there_are}",
            param="dimensions",
            hint="leave it out to get the model's own vectors",
        )


def _tokens(engine: EmbeddingEngine, text: str | tuple[int, ...], number: int) -> list[int]:
    if isinstance(text, str):
        tokens = engine.tokenize(text, add_bos=True, parse_special=True)
    else:
        tokens = list(text)
        _check_tokens(tokens, engine.facts.vocabulary, number)
    if not tokens:
        raise BadRequest(f"text {number} is empty", param="input")
    return tokens


def _check_tokens(tokens: Sequence[int], vocabulary: int, number: int) -> None:
    for token in tokens:
        if not 0 <= token < vocabulary:
            raise BadRequest(
                f"text {number} has the token {token}",
                param="input",
                hint=f"tokens of this model are 0 to {vocabulary - 1}",
            )


def _cut(tokens: list[int], longest: int, *, framed: Sequence[int]) -> list[int]:
    """Return the first tokens of a text; the one that closes every text of the model stays last."""
    if len(tokens) <= longest:
        return tokens
    closing = tokens[-1:] if framed and framed[-1] == tokens[-1] else []
    return tokens[: longest - len(closing)] + closing
