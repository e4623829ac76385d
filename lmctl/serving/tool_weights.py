"""How many tokens the definitions of tools take of every prompt that offers them."""

from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import msgspec

from lmctl.adapters.runner_client import count
from lmctl.base.digests import digest
from lmctl.base.errors import LmctlError
from lmctl.base.talk import Chat, Message
from lmctl.planning.surface import ServedRoute

HEAVY: Final = 0.2
"""Share of the context above which a request is told that tools weigh much."""
_MOST: Final = 256  # sets of tools that are remembered
_ASKED: Final = (Message(role="user", content="?"),)


@dataclass(frozen=True, slots=True)
class ToolWeight:
    """The definitions of `tools` tools take `tokens` of a context of `context` (0: not known)."""

    tools: int
    tokens: int
    context: int = 0

    @property
    def warning(self) -> str:
        """Return what to tell whoever asks; empty where they are light."""
        if not self.context or self.tokens < HEAVY * self.context:
            return ""
        return (
            f"the definitions of {self.tools} tools take {self.tokens} tokens of every prompt,"
            f" {self.tokens / self.context:.0%} of the context: name the few that are needed in"
            " `allowed_tools`"
        )


class ToolWeights:
    """Weighs every set of tools once per instance, by asking its runner."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], int] = OrderedDict()

    async def of(self, route: ServedRoute, chat: Chat, *, context: int) -> ToolWeight | None:
        """Return what the tools of a chat weigh; None where the runner does not say."""
        tools = msgspec.to_builtins(chat.tools)
        key = route.spec_digest, digest([tools, chat.tool_naming])
        if key not in self._known:
            with suppress(LmctlError):
                bare = msgspec.structs.replace(chat, messages=_ASKED)
                whole = await count(route.socket, bare)
                alone = await count(route.socket, msgspec.structs.replace(bare, tools=()))
                self._known[key] = whole - alone
        if key not in self._known:
            return None
        self._known.move_to_end(key)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return ToolWeight(len(chat.tools), self._known[key], context)
