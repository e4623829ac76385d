"""What happens when a conversation outgrows its context (contract 3.2, `contextOverflowPolicy`).

`stopAtLimit` refuses a prompt that is too long and ends an answer that fills the context. The two
others go on without a part of it: `truncateMiddle` keeps the system prompt and the first user
message (of a raw prompt: its first half) and drops what comes after, `rollingWindow` keeps the
system prompt only.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Chat, Message, Overflow, Prompt
from lmctl.runner.prefix_cache import common_prefix

KEPT_AT_MOST: Final = 2
"""What is kept is the context divided by this at most: the newest words matter too."""
ROOM: Final = 4
"""A prompt that was too long leaves this part of the context to the answer."""

Tokens = Callable[[Chat | Prompt], list[int]]


def kept(
    given: Chat | Prompt, tokens: list[int], policy: Overflow, *, context: int, read: Tokens
) -> int:
    """Return how many tokens at the begin of a prompt must stay when others go.

    `read` turns a conversation into tokens as the prompt was.
    """
    most = context // KEPT_AT_MOST
    if isinstance(given, Prompt):
        return min(most, len(tokens) if policy == "truncateMiddle" else 1)
    messages = _head(given, policy)
    if not messages:
        return 1  # the token that begins every prompt of many models
    try:
        head = read(msgspec.structs.replace(given, messages=messages))
    except BadRequest:  # a template that wants more than a system prompt
        return 1
    return max(1, min(most, common_prefix(tokens, head, min(len(tokens), len(head)))))


def shortened(tokens: list[int], keep: int, *, context: int) -> list[int]:
    """Return a prompt that leaves room for an answer, without what came right after `keep`.

    It is cut in whole blocks: the conversation's next turn, a little longer, is cut at the same
    place, and what was read of this one is found again.
    """
    block = max(1, (context - keep) // ROOM)
    excess = len(tokens) - (context - context // ROOM)
    dropped = min(-(-excess // block) * block, len(tokens) - keep - 1)
    return tokens[:keep] + tokens[keep + dropped :]


def _head(given: Chat, policy: Overflow) -> tuple[Message, ...]:
    """Return the messages that stay."""
    size = 0
    while size < len(given.messages) and given.messages[size].role == "system":
        size += 1
    if policy == "truncateMiddle":
        size += 1
    return given.messages[:size]
