"""Tool servers as they are."""

from dataclasses import dataclass, field
from enum import StrEnum

from lmctl.base.tools import label_of


class ToolPhase(StrEnum):
    """STUCK: it will not be tried again until somebody does something."""

    STARTING = "Starting"
    READY = "Ready"
    FAILING = "Failing"
    STUCK = "Stuck"


@dataclass(frozen=True, slots=True)
class SeenToolServer:
    """A hosted server. `definitions` is how many bytes of JSON its tools are described with;
    `failures` counts how often it was lost or did not come up.
    """

    name: str
    digest: str
    phase: ToolPhase = ToolPhase.STARTING
    reason: str = ""
    tools: tuple[str, ...] = field(default=())
    definitions: int = 0
    protocol: str = ""
    failures: int = 0

    @property
    def label(self) -> str:
        return label_of(self.name)
