"""Links that add a tool server (contract 3.4): read, and written."""

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

from lmctl.base.errors import BadRequest

_LONGEST: Final = 64 * 1024
_WEB: Final = "https://lmstudio.ai/install-mcp"
_APP: Final = "lmstudio://add_mcp"
_HINT: Final = f"it looks like {_APP}?name=NAME&config=BASE64"


@dataclass(frozen=True, slots=True)
class LinkedServer:
    """A server of a link: its key in mcp.json and the entry behind it."""

    name: str
    entry: dict[str, Any]


def read_link(link: str) -> LinkedServer:
    """Return what a link adds. Raises BadRequest for what is none."""
    if len(link) > _LONGEST:
        raise BadRequest(f"the link is longer than {_LONGEST} characters")
    parts = urlsplit(link.strip())
    app = parts.scheme == "lmstudio" and f"{parts.netloc}{parts.path}".strip("/") == "add_mcp"
    web = parts.scheme == "https" and parts.path.rstrip("/").endswith("/install-mcp")
    if not (app or web):
        raise BadRequest("this is no link that adds a tool server", hint=_HINT)
    # A `+` that was not escaped is one of base64, not a space.
    given = parse_qs(parts.query.replace("+", "%2B"), keep_blank_values=True)
    name, config = (given.get(key, [""])[0] for key in ("name", "config"))
    if not name or not name.isprintable():
        raise BadRequest("the link gives no `name`", hint=_HINT)
    return LinkedServer(name, _entry(config))


def write_link(server: LinkedServer, *, web: bool = False) -> str:
    """Return the link that adds a server: one that the app opens, or a page that does."""
    config = base64.b64encode(json.dumps(server.entry, separators=(",", ":")).encode()).decode()
    return f"{_WEB if web else _APP}?{urlencode({'name': server.name, 'config': config})}"


def one_entry(text: str) -> LinkedServer:
    """Return the only server of a JSON text, with or without `mcpServers` around it.

    Raises BadRequest.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"not JSON: {error}", hint='write {"NAME": {"command": "…"}}') from error
    if isinstance(value, dict):
        value = value.get("mcpServers", value)
    if not isinstance(value, dict) or len(value) != 1:
        raise BadRequest("expected one server", hint='write {"NAME": {"command": "…"}}')
    [(name, entry)] = value.items()
    if not isinstance(entry, dict):
        raise BadRequest(f"`{name}` should be an object", hint='such as {"command": "…"}')
    return LinkedServer(name, entry)


def _entry(config: str) -> dict[str, Any]:
    padded = config.strip().replace("-", "+").replace("_", "/")
    padded += "=" * (-len(padded) % 4)
    try:
        entry = json.loads(base64.b64decode(padded, validate=True))
    except (binascii.Error, ValueError) as error:
        raise BadRequest("the link's `config` is no JSON in base64", hint=_HINT) from error
    if not isinstance(entry, dict) or not entry:
        raise BadRequest("the link's `config` is no entry of mcp.json", hint=_HINT)
    return entry
