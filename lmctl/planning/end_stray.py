"""The step that ends a process of this home that nobody keeps track of."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EndStray:
    """End a process of this home that nobody keeps track of; `kill` ends it at once, for it would
    not hear.
    """

    pid: int
    started_at: float
    kill: bool = False

    @property
    def key(self) -> str:
        return f"end process/{self.pid}"

    @property
    def subject(self) -> str:
        return f"process/{self.pid}"
