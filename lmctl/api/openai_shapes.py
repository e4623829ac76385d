"""Shapes that several endpoints of the OpenAI family share."""

from typing import Any

from lmctl.api import sse
from lmctl.api.catalogue import openai_error
from lmctl.base.errors import LmctlError
from lmctl.base.talk import Drafted, Usage


def usage_shape(usage: Usage, drafted: Drafted | None) -> dict[str, Any]:
    """Return token counts in OpenAI's shape; rejected predictions are not in `completion_tokens`."""
    details = {"reasoning_tokens": usage.reasoning_tokens}
    if drafted is not None:
        details["accepted_prediction_tokens"] = drafted.accepted
        details["rejected_prediction_tokens"] = drafted.rejected
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": details,
    }


def draft_stats(drafted: Drafted | None) -> dict[str, Any]:
    """Return the counts of speculative decoding in LM Studio's shape; empty where it was off."""
    if drafted is None:
        return {}
    return {
        "draft_model": drafted.drafter,
        "total_draft_tokens_count": drafted.total,
        "accepted_draft_tokens_count": drafted.accepted,
        "rejected_draft_tokens_count": drafted.rejected,
        "ignored_draft_tokens_count": drafted.ignored,
    }


def error_event(error: LmctlError) -> bytes:
    """Return an error as the last event of a stream; no [DONE] follows."""
    return sse.event(openai_error(error))
