"""From mcp.json to the tool servers that should be hosted."""

from collections.abc import Iterable, Iterator

from lmctl.base.diagnostics import Diagnostic, error
from lmctl.base.digests import digest
from lmctl.base.tools import label_of
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.envelope import plain
from lmctl.manifests.mcp import McpServer
from lmctl.planning.wanted_tools import WantedToolServer, referred_to


def wanted_tool_servers(bundle: Bundle) -> tuple[WantedToolServer, ...]:
    """Return what is to be hosted; nothing unless the Server lets requests use it."""
    if not bundle.server.spec.mcp.allow_file:
        return ()
    found = sorted(bundle.mcp_servers.items())
    # One that is neither a program nor an address was warned of.
    return tuple(
        wanted_tool_server(bundle, name) for name, each in found if each.command or each.url
    )


def label_problems(bundle: Bundle) -> Iterator[Diagnostic]:
    """Yield servers that clients could not tell apart, or not name at all."""
    first: dict[str, str] = {}
    for name in sorted(bundle.mcp_servers):
        label = label_of(name)
        other = first.setdefault(label, name)
        if not label or other != name:
            what = f"would be `mcp/{label}`, as `{other}` is" if label else "has no name to call it"
            place = bundle.place("McpServer", name)
            yield error(place, f"tool server `{name}` {what}", "give it another name")


def wanted_tool_server(bundle: Bundle, name: str) -> WantedToolServer:
    """Return a declared server as it is hosted. Raises KeyError for one that is not declared."""
    declared = bundle.mcp_servers[name]
    known = bundle.server.spec.secrets
    names = sorted(referred_to(_texts(declared)) & known.keys())
    secrets = {each: plain(known[each]) for each in names}
    auth = declared.auth
    return WantedToolServer(
        name=name,
        label=label_of(name),
        digest=digest({"server": plain(declared), "secrets": secrets}),
        command=declared.command or "",
        args=declared.args,
        env=declared.env,
        cwd=declared.cwd,
        url=declared.url or "",
        headers=declared.headers,
        transport=declared.type,
        client_id=auth.client_id if auth else None,
        client_secret=auth.client_secret if auth else None,
        secrets=secrets,
    )


def _texts(declared: McpServer) -> Iterable[str]:
    yield from declared.args
    yield from declared.env.values()
    yield from declared.headers.values()
    yield declared.url or ""
    yield (declared.auth and declared.auth.client_secret) or ""
