"""Log probabilities as OpenAI tells them: per token of a chat answer, and the older way."""

from collections.abc import Sequence
from typing import Any

from lmctl.base.talk import ChosenToken, TokenChoice


def chat_logprobs(tokens: Sequence[ChosenToken]) -> dict[str, Any]:
    """Return the `logprobs` of a choice of /v1/chat/completions."""
    return {"content": [_token(each) for each in tokens], "refusal": None}


def text_logprobs(tokens: Sequence[ChosenToken], *, offset: int = 0) -> dict[str, Any]:
    """Return the `logprobs` of a choice of /v1/completions; the text began at `offset`."""
    pieces = [_text(each.chosen.piece) for each in tokens]
    offsets = [offset]
    for piece in pieces[:-1]:
        offsets.append(offsets[-1] + len(piece))
    return {
        "tokens": pieces,
        "token_logprobs": [each.chosen.logprob for each in tokens],
        "top_logprobs": [_likeliest(each) for each in tokens],
        "text_offset": offsets[: len(pieces)],
    }


def _token(token: ChosenToken) -> dict[str, Any]:
    return _choice(token.chosen) | {"top_logprobs": [_choice(each) for each in token.likeliest]}


def _choice(choice: TokenChoice) -> dict[str, Any]:
    """Return one token. Bytes that are no text by themselves are told as bytes only."""
    return {
        "token": _text(choice.piece),
        "logprob": choice.logprob,
        "bytes": list(choice.piece),
    }


def _likeliest(token: ChosenToken) -> dict[str, float]:
    return {_text(each.piece): each.logprob for each in token.likeliest}


def _text(piece: bytes) -> str:
    return piece.decode("utf-8", errors="replace")
