"""What a tool server may ask back, and the answer: nobody sits here, and no model is lent.

Said clearly, so that a tool can go on without: an elicitation is declined, sampling is refused with
a reason, there are no roots. Each is told to the server's log.
"""

from collections.abc import Callable
from typing import Any

_NO_SAMPLING = "lmctl answers no sampling requests: ask the model in the conversation instead"


def answers(tell: Callable[[str], object]) -> dict[str, Any]:
    """Return the callbacks of an SDK client."""
    from mcp import types

    async def elicited(_context: Any, asked: Any) -> types.ElicitResult:
        tell(f"it asked a person: {asked.message}; declined, nobody sits here")
        return types.ElicitResult(action="decline")

    async def sampled(_context: Any, _asked: Any) -> types.ErrorData:
        tell("it asked for text of a model; declined")
        return types.ErrorData(code=types.INVALID_REQUEST, message=_NO_SAMPLING)

    async def rooted(_context: Any) -> types.ListRootsResult:
        return types.ListRootsResult(roots=[])

    async def logged(said: Any) -> None:
        tell(f"{said.level}: {said.data}")

    return {
        "elicitation_callback": elicited,
        "sampling_callback": sampled,
        "list_roots_callback": rooted,
        "logging_callback": logged,
    }
