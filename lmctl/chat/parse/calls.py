"""The calls of one answer: which names are known, and what is told of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lmctl.base.talk import Event, ToolCallDelta, ToolCallEnded, ToolCallStarted
from lmctl.chat.formats import Frame
from lmctl.chat.parse.source import NotACall


@dataclass(frozen=True, slots=True)
class Offered:
    """A tool as the client knows it: its own name and the schema of its parameters."""

    name: str
    parameters: Mapping[str, Any]


class Calls:
    """Turns what readers find into events. `tools` has them by the names the model was told;
    `single` allows one call at most. In the frames `own`
    what nobody offered is a call too; `strangers` says that one of them is being read.
    """

    def __init__(
        self,
        tools: Mapping[str, Offered],
        *,
        new_id: Callable[[], str],
        emit: Callable[[Event], None],
        single: bool = False,
        own: tuple[Frame, ...] = (),
    ) -> None:
        self._tools = tools
        self._new_id = new_id
        self._emit = emit
        self._single = single
        self._pieces: list[str] = []
        self.made = 0
        self.open = False
        self.own = own
        self.strangers = False

    @property
    def over(self) -> bool:
        """Whether no further call is allowed."""
        return self._single and self.made > 0 and not self.open

    def check(self, name: str) -> None:
        """Raise NotACall when no tool has this name."""
        if name not in self._tools and not (self.strangers and name):
            raise NotACall

    def names(self) -> tuple[str, ...]:
        """Return the names the model was told."""
        return tuple(self._tools)

    def schema(self, name: str, key: str) -> Mapping[str, Any]:
        """Return what is said of one parameter; empty when nothing is."""
        properties = self._offered(name).parameters.get("properties")
        found = properties.get(key) if isinstance(properties, Mapping) else None
        return found if isinstance(found, Mapping) else {}

    def _offered(self, name: str) -> Offered:
        return self._tools.get(name) or Offered(name, {})

    def begin(self, name: str) -> None:
        """Start a call; from here on its text is not given back. Raises NotACall."""
        self.check(name)
        self._pieces.clear()
        self._emit(ToolCallStarted(self.made, self._new_id(), self._offered(name).name))
        self.made += 1
        self.open = True

    def add(self, text: str) -> None:
        """Add a piece of JSON text to the arguments."""
        self._pieces.append(text)
        self._emit(ToolCallDelta(self.made - 1, text))

    def end(self) -> None:
        """End the call as it is; one without a word of arguments has none."""
        if not self._pieces:
            self.add("{}")
        self._emit(ToolCallEnded(self.made - 1, "".join(self._pieces)))
        self.open = False
