"""How the native chat tells of tool calls (contract 1.5, 1.6)."""

from collections.abc import Container, Iterator
from typing import Any

from lmctl.base.talk import ToolCallEnded, ToolCallStarted
from lmctl.base.tools import object_of
from lmctl.serving.toolbox import Offered, Provider, Toolbox, ToolOutcome

Told = tuple[str, dict[str, Any]]


class CallTeller:
    """Tells of the calls of one answer, each whole before the next begins: a model writes all calls of
    a round before the first is made, so what follows the first is held back until its turn.
    """

    def __init__(self, toolbox: Toolbox | None) -> None:
        self._toolbox = toolbox
        self._open: int | None = None
        self._begun: dict[int, ToolCallStarted] = {}
        self._ended: dict[int, ToolCallEnded] = {}

    def started(self, event: ToolCallStarted) -> Iterator[Told]:
        """Yield what is told when the model begins a call."""
        self._begun[event.index] = event
        if self._open is None:
            yield from self._begin(event.index)

    def ended(self, event: ToolCallEnded) -> Iterator[Told]:
        """Yield what is told when the model has written a call."""
        self._ended[event.index] = event
        if self._open == event.index:
            yield self._arguments(event.index)
        if self._toolbox is None:  # nobody makes it
            yield from self._failed(among=self._ended)

    def outcome(self, outcome: ToolOutcome) -> Iterator[Told]:
        """Yield what became of a call."""
        if self._open != outcome.index:
            yield from self._begin(outcome.index)
        if outcome.fault is None:
            yield "tool_call.success", success(outcome)
        else:
            yield "tool_call.failure", failure(outcome)
        self._open = None
        if outcome.index + 1 in self._begun:
            yield from self._begin(outcome.index + 1)

    def unmade(self) -> Iterator[Told]:
        """Yield that the calls of which nothing became were not made."""
        return self._failed(among=self._begun)

    def _failed(self, *, among: Container[int]) -> Iterator[Told]:
        while self._open is not None and self._open in among:
            index, self._open = self._open, None
            yield "tool_call.failure", unmade(self._begun[index].name)
            if index + 1 in self._begun:
                yield from self._begin(index + 1)

    def _begin(self, index: int) -> Iterator[Told]:
        self._open = index
        yield "tool_call.start", self._who(self._begun[index].name)
        if index in self._ended:
            yield self._arguments(index)

    def _arguments(self, index: int) -> Told:
        text = self._ended[index].arguments
        given = object_of(text)
        arguments = {"arguments": text} if given is None else given
        who = self._who(self._begun[index].name)
        return "tool_call.arguments", {"tool": who.pop("tool"), "arguments": arguments} | who

    def _who(self, name: str) -> dict[str, Any]:
        offered = self._toolbox.find(name) if self._toolbox is not None else None
        return _who(offered, name)


def success(outcome: ToolOutcome) -> dict[str, Any]:
    """Return a call that was answered, be it that the tool could not do it."""
    who = _who(outcome.offered, outcome.call.name)
    told = {"arguments": outcome.arguments, "output": outcome.output}
    return {"tool": who.pop("tool")} | told | who


def failure(outcome: ToolOutcome) -> dict[str, Any]:
    """Return a call that could not be made."""
    metadata: dict[str, Any] = {"type": outcome.fault, "tool_name": outcome.call.name}
    if outcome.offered is not None:
        who = _who(outcome.offered, outcome.call.name)
        metadata |= {"tool_name": who.pop("tool"), "arguments": outcome.arguments} | who
    return {"reason": outcome.reason, "metadata": metadata}


def unmade(name: str) -> dict[str, Any]:
    """Return a call that was never made: there is nobody to make it, or the answer broke off."""
    metadata = {"type": "invalid_name", "tool_name": name}
    return {"reason": "the call was not made", "metadata": metadata}


def _who(offered: Offered | None, name: str) -> dict[str, Any]:
    if offered is None:
        return {"tool": name}
    info = _provider_info(offered.server.provider)
    return {"tool": offered.tool.name, "provider_info": info}


def _provider_info(provider: Provider) -> dict[str, str]:
    if provider.ephemeral:
        return {"type": "ephemeral_mcp", "server_label": provider.label}
    return {"type": "plugin", "plugin_id": f"mcp/{provider.label}"}
