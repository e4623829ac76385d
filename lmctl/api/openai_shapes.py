"""Shapes that several endpoints of the OpenAI family share."""

from typing import Any

from lmctl.api import sse
from lmctl.api.catalogue import openai_error
from lmctl.base.errors import LmctlError
from lmctl.base.talk import Usage


def usage_shape(usage: Usage) -> dict[str, Any]:
    """Return token counts in OpenAI's shape."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }


def error_event(error: LmctlError) -> bytes:
    """Return an error as the last event of a stream; no [DONE] follows."""
    return sse.event(openai_error(error))
