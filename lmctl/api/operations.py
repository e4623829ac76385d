"""What an endpoint is: where it lies, who may ask, what answers, and what it is described as."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from lmctl.serving.gateway import Gateway
from lmctl.serving.stored import Conversations

Kind = type[BaseModel]


@dataclass(frozen=True, slots=True)
class Parts:
    """What resources are made with."""

    gateway: Gateway
    conversations: Conversations


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of an endpoint: what it takes, what it answers, and whether it can stream that.

    `query` are its parameters beside those of the path, each as OpenAPI writes it.
    """

    method: str
    summary: str
    answer: Kind
    body: Kind | None = None
    streams: bool = False
    query: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path with the scope a token must have for it (None: it is open), and what `make` makes to
    answer there. One without operations is a probe, which the description leaves out.
    """

    path: str
    scope: str | None
    make: Callable[[Parts], object]
    operations: tuple[Operation, ...] = ()

    @property
    def told_path(self) -> str:
        """Return the path as OpenAPI writes it."""
        return self.path.replace(":path}", "}")
