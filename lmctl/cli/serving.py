"""`server start|stop|status`: whether this box answers requests, with the habits of `lms server`.

Whether and where it listens is declared, so starting and stopping edit the Server's manifest where
that says otherwise, and say so.
"""

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lmctl.adapters.followed import Followed
from lmctl.adapters.gateway_process import GatewayNote, read_note
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.processes import Identity, Processes
from lmctl.base.addresses import is_loopback
from lmctl.base.errors import NotFound
from lmctl.cli.client import DaemonClient
from lmctl.cli.folders import Folders, meant, read, read_or_exit
from lmctl.cli.following import follow_until
from lmctl.cli.gateway_client import GatewayClient, url_of
from lmctl.cli.goals import Goal
from lmctl.cli.options import Host, OutputOption, Quiet, Timeout
from lmctl.cli.printer import Output, Printer
from lmctl.cli.server_edits import Wanted, change_server
from lmctl.cli.starting import ensure_daemon

app = typer.Typer(no_args_is_help=True, help="Start, stop and look at the HTTP server.")

BIND: Final = "LMS_SERVER_HOST"
_SERVER: Final = "server/gateway"
Yes = Annotated[
    bool, typer.Option("--yes", "-y", help="Write the Server's manifest without asking.")
]


@app.command()
def start(
    port: Annotated[
        int | None, typer.Option("--port", "-p", min=0, max=65535, help="Declare this port.")
    ] = None,
    bind: Annotated[
        str | None,
        typer.Option(envvar=BIND, help="Declare this address; 0.0.0.0 is every one."),
    ] = None,
    cors: Annotated[
        bool, typer.Option("--cors", help="Declare that pages of other origins may call.")
    ] = False,
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 120.0,
) -> None:
    """Have the box listen as it is declared, or as given here: that is written down then.

    Exit code 0: it answers; 1: it stalled or was not wanted; 2: refused; 5: not in time.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    roots = _roots(home)
    found = read_or_exit(printer, roots)
    wanted = [Wanted(("listen", "enabled"), value=True)]
    wanted += [Wanted(("listen", "port"), port)] if port is not None else []
    wanted += [Wanted(("listen", "host"), bind)] if bind else []
    wanted += [Wanted(("cors", "enabled"), value=True)] if cors else []
    written = change_server(printer, home, found, roots, wanted, yes=yes)
    ensure_daemon(home, printer)
    _wait(printer, home, roots if written else [], Goal(), timeout)
    note = read_note(home.run)
    url = url_of(None, home)
    with closing(GatewayClient(url)) as client:
        if not client.greets():
            printer.error(f"{url} does not answer", f"see {home.logs}/gateway.log")
            raise typer.Exit(1)
    _warn(printer, read_or_exit(printer, roots))
    printer.note(f"serving at {url}")
    printer.data({"running": True, "port": _port(note)}, "")


@app.command()
def stop(
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 120.0,
) -> None:
    """Have the box listen no more; what is being answered is finished, models stay loaded.

    Exit code 0: it is stopped; 1: it was not running, or that was not wanted; 2: refused; 5: not
    in time.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    note = _running(home)
    if note is None:
        printer.error("the server is not running")
        raise typer.Exit(1)
    roots = _roots(home)
    found = read_or_exit(printer, roots)
    off = Wanted(("listen", "enabled"), value=False)
    written = change_server(printer, home, found, roots, [off], yes=yes)
    ensure_daemon(home, printer)
    _wait(printer, home, roots if written else [], Goal("gone"), timeout)
    if not asyncio.run(Processes().wait(Identity(note.pid, note.started_at), seconds=timeout)):
        printer.error(f"the server did not end in time, pid {note.pid}")
        raise typer.Exit(5)
    printer.note(f"stopped; it served on port {_port(note)}, models stay loaded")
    printer.data({"running": False, "port": _port(note)}, "")


@app.command()
def status(host: Host = None, output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Say whether the server answers, and at which port.

    Exit code 0: it does; 1: it does not.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    running, port = _elsewhere(host, home) if host else _here(home)
    where = f" on port {port}" if port else ""
    printer.note(f"the server is {'running' if running else 'not running'}{where}")
    printer.data({"running": running, "port": port}, "")
    if not running:
        raise typer.Exit(1)


def _here(home: Home) -> tuple[bool, int | None]:
    note = _running(home)
    return note is not None, _port(note) or _declared_port(home)


def _declared_port(home: Home) -> int | None:
    """Return the port it would listen at, None where nobody knows it yet."""
    roots = [Path(each) for each in Followed(home.root / "roots.json").roots()]
    try:
        return read(roots).bundle.server.spec.listen.port or None if roots else None
    except NotFound:  # a folder that is gone
        return None


def _elsewhere(host: str, home: Home) -> tuple[bool, int | None]:
    with closing(GatewayClient(url_of(host, home))) as client:
        return client.greets(), client.port


def _running(home: Home) -> GatewayNote | None:
    """Return what the gateway of this box wrote down, None where it does not answer."""
    note = read_note(home.run)
    if note is None or not Processes().alive(Identity(note.pid, note.started_at)):
        return None
    with closing(GatewayClient(url_of(None, home))) as client:
        return note if client.greets() else None


def _roots(home: Home) -> list[Path]:
    try:
        return meant(home, None)
    except NotFound as problem:
        raise NotFound(
            "this box was never told what to serve",
            hint="`lmctl init DIR` writes a first fleet, `lmctl apply DIR` serves it",
        ) from problem


def _wait(printer: Printer, home: Home, edited: list[Path], goal: Goal, timeout: float) -> None:
    """Wait for the server; folders that were edited are read first. Exits when it is in vain."""
    with closing(DaemonClient(home)) as client:
        if edited:
            now = client.follow([str(each) for each in edited])
            goal = Goal(goal.what, now.generation)
        ended = follow_until(client, printer, timeout=timeout, wanted=[_SERVER], goal=goal)
    if ended.code:
        raise typer.Exit(ended.code)


def _port(note: GatewayNote | None) -> int | None:
    ports = [each.rpartition(":")[2] for each in note.binds] if note else []
    return next((int(each) for each in ports if each.isdigit()), None)


def _warn(printer: Printer, found: Folders) -> None:
    spec: Any = found.bundle.server.spec
    if spec.cors.enabled:
        printer.problem("warning: pages of other origins may call this server (`cors.enabled`)")
    if not is_loopback(spec.listen.host) and not spec.auth.required:
        printer.problem(
            f"warning: it listens at {spec.listen.host} and asks nobody for a token;"
            " `lmctl set server auth.required=true` changes that"
        )
