"""A tool server as it should be hosted: plain values, texts as declared."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

_REFERENCE = re.compile(r"\$\{secret:([^}]*)\}")


@dataclass(frozen=True, slots=True)
class WantedToolServer:
    """A server to host: a program (`command`) or an address (`url`). `label` is what clients call it.

    `secrets` are the references its texts name as `${secret:NAME}`, as they are declared; `digest`
    changes with all of it.
    """

    name: str
    label: str
    digest: str
    command: str = ""
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str | None = None
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    transport: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def referred_to(texts: Iterable[str]) -> set[str]:
    """Return the names of the secrets that texts refer to."""
    return {name for text in texts for name in _REFERENCE.findall(text)}


def with_secrets(text: str, secrets: Mapping[str, str]) -> str:
    """Return a text with the secrets it refers to in their places."""
    return _REFERENCE.sub(lambda found: secrets.get(found[1], found[0]), text)
