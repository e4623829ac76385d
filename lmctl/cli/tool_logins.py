"""`mcp login` and `mcp logout`: a person agrees that lmctl may use a remote tool server."""

import asyncio
import os
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.mcp.oauth_callback import Callback
from lmctl.adapters.mcp.session import ToolSession
from lmctl.adapters.secrets import SecretResolver, fingerprint_key
from lmctl.base.errors import LmctlError, NotFound, Refused
from lmctl.base.tools import label_of
from lmctl.cli.client import DaemonClient
from lmctl.cli.folders import meant, read_or_exit
from lmctl.cli.options import Quiet, interactive
from lmctl.cli.printer import Printer
from lmctl.daemon.tool_hosting import target_of
from lmctl.manifests.suggest import hint
from lmctl.planning.tool_servers import wanted_tool_server
from lmctl.planning.wanted_tools import WantedToolServer

_PATIENCE = 300.0  # seconds somebody may take to agree
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its key in mcp.json.")]
Directories = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders; default: those the box follows."),
]


def login(name: Name, directories: Directories = None, quiet: Quiet = False) -> None:
    """Log in to a remote tool server that wants OAuth: opens its page, waits until somebody agreed.

    What it gives is kept for the daemon, which renews it. Exit code 0: done; 2: it did not succeed.
    """
    printer, home = Printer(quiet=quiet), home_of()
    bundle = read_or_exit(printer, meant(home, directories)).bundle
    if name not in bundle.mcp_servers:
        raise NotFound(
            f"no tool server `{name}` is declared",
            hint=hint(name, bundle.mcp_servers, what="servers"),
        )
    want = wanted_tool_server(bundle, name)
    if not want.url:
        raise Refused(f"`{name}` is a program: there is nothing to log in to")
    count = asyncio.run(_log_in(printer, home, want))
    printer.note(f"logged in to {name}: {count} tools")
    try:
        DaemonClient(home).retry_tools(want.label)
    except LmctlError:
        printer.note("the box does not host it now; it will find the login when it does")


def logout(name: Name, quiet: Quiet = False) -> None:
    """Forget the login to a remote tool server. Exit code 0: done; 2: there was none."""
    path = home_of().logins / f"{label_of(name)}.json"
    try:
        path.unlink()
    except FileNotFoundError:
        raise NotFound(f"nobody is logged in to `{name}`") from None
    Printer(quiet=quiet).note(f"the login to {name} is forgotten; connections that are open stay")


async def _log_in(printer: Printer, home: Home, want: WantedToolServer) -> int:
    """Connect, letting a person agree on the way; returns how many tools there are."""
    resolver = SecretResolver(fingerprint_key(home.root))

    async def show(page: str) -> None:
        printer.note(f"open this page and agree:\n{page}")
        if interactive() and not os.environ.get("SSH_CONNECTION"):
            await asyncio.to_thread(webbrowser.open, page)

    async with Callback() as callback:
        target = await target_of(want, resolver, home, show=show, back=callback.answer)
        session = ToolSession(target, patience=_PATIENCE)
        try:
            await session.open()
            return len(session.tools)
        finally:
            await session.close()
