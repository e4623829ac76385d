"""Who asks, and what they may do (contract 2.2)."""

from dataclasses import dataclass
from typing import Final

ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a token, by its name; without one (`proven` is false) nobody asked for any."""

    name: str = ""
    scopes: frozenset[str] = frozenset()
    proven: bool = False

    def may(self, scope: str) -> bool:
        """Say whether this is allowed; where no token is asked for, everything is."""
        return not self.proven or scope in self.scopes or ADMIN in self.scopes


ANYBODY: Final = Principal()
