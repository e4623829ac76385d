"""The words of tool servers: what they offer, and what a call of theirs came to."""

import re
from typing import Any

import msgspec


class ToolOffer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A tool as its server describes it; `input_schema` is a JSON Schema of its arguments."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = {}
    annotations: dict[str, Any] = {}


class ToolAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a call came to: MCP's content parts as JSON. `failed`: the tool, or its server, says that
    it could not do what was asked.
    """

    content: tuple[dict[str, Any], ...] = ()
    failed: bool = False


def said(text: str, *, failed: bool = False) -> ToolAnswer:
    """Return an answer of one text."""
    return ToolAnswer(({"type": "text", "text": text},), failed)


def label_of(name: str) -> str:
    """Return what clients call a server of mcp.json: its key in kebab-case (contract 1.5)."""
    humps = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name)
    return re.sub(r"[^A-Za-z0-9]+", "-", humps).strip("-").lower()


def definitions_size(tools: tuple[ToolOffer, ...]) -> int:
    """Return how many bytes of JSON the definitions of these tools are."""
    return sum(len(msgspec.json.encode(each)) for each in tools)


def object_of(text: str) -> dict[str, Any] | None:
    """Return the arguments of a call as an object; None where they are none."""
    try:
        found: dict[str, Any] = msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.DecodeError:
        return None
    return found
