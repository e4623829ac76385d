"""How sure the model was of each token, in the two shapes OpenAI has for it."""

from collections.abc import Sequence
from typing import Any

from lmctl.base.talk import ChosenToken, TokenChoice


def chat_logprobs(tokens: Sequence[ChosenToken]) -> dict[str, Any] | None:
    """Return `logprobs` of a chat's choice or chunk, None where none were asked for."""
    return {"content": token_logprobs(tokens), "refusal": None} if tokens else None


def token_logprobs(tokens: Sequence[ChosenToken]) -> list[dict[str, Any]]:
    """Return each token with the likeliest ones in its place."""
    return [
        _choice(each.chosen) | {"top_logprobs": [_choice(other) for other in each.likeliest]}
        for each in tokens
    ]


def completion_logprobs(tokens: Sequence[ChosenToken], *, offset: int) -> dict[str, Any] | None:
    """Return `logprobs` of a completion's choice or chunk, whose text begins at `offset`."""
    if not tokens:
        return None
    texts = [_text(each.chosen) for each in tokens]
    offsets = [offset + sum(map(len, texts[:number])) for number in range(len(texts))]
    return {
        "tokens": texts,
        "token_logprobs": [each.chosen.logprob for each in tokens],
        "top_logprobs": [{_text(one): one.logprob for one in each.likeliest} for each in tokens],
        "text_offset": offsets,
    }


def _choice(one: TokenChoice) -> dict[str, Any]:
    return {"token": _text(one), "logprob": one.logprob, "bytes": list(one.piece)}


def _text(one: TokenChoice) -> str:
    """Return a token's text; of a part of a character, what stands for it."""
    return one.piece.decode(errors="replace")
