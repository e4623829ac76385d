"""Remembers one request's turn once its answer is complete."""

from collections.abc import Callable

from lmctl.api.answered import Answered, turns_of
from lmctl.base.stored import StoredTurn
from lmctl.base.talk import Message
from lmctl.planning.surface import Retention
from lmctl.serving.stored import Conversations, Past, headed, new_turn_id, now

Told = Callable[[Answered], tuple[bytes, bytes]]


class Keeping:
    """A turn that goes on from a `past` and is to be kept. `id` names it from the beginning; `kept`
    says whether it is there.

    `told` makes of the answer what the dialect can give again later: the response and the items it
    was asked with.
    """

    def __init__(
        self,
        conversations: Conversations,
        retention: Retention,
        *,
        past: Past,
        messages: tuple[Message, ...],
        system: str,
        told: Told = lambda _answer: (b"", b""),
    ) -> None:
        self.id = new_turn_id()
        self.kept = False
        self._conversations = conversations
        self._retention = retention
        self._past = past
        self._messages = messages
        self._system = system
        self._told = told

    @property
    def conversation(self) -> tuple[Message, ...]:
        """Return all that was said, the system prompt at its head."""
        return headed((*self._past.messages, *self._messages), self._system)

    async def keep(self, model: str, answers: tuple[Answered, ...]) -> None:
        """Keep what was asked and answered."""
        [answer] = answers
        response, items = self._told(answer)
        turn = StoredTurn(
            id=self.id,
            at=now(),
            model=model,
            messages=(*self._messages, *turns_of(answer)),
            parent=self._past.turn,
            system=self._system,
            response=response,
            items=items,
        )
        self.kept = await self._conversations.keep(turn, self._retention)
