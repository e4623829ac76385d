"""`lmctl daemon`: the control plane's process."""

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lmctl import logs
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.processes import Processes, identity_of
from lmctl.base.errors import Unreachable
from lmctl.cli.client import DaemonClient, NoDaemon
from lmctl.cli.options import OutputOption, Patience, Quiet, Timeout, absolute
from lmctl.cli.printer import Output, Printer
from lmctl.cli.starting import ensure_daemon
from lmctl.planning.report import DaemonView

app = typer.Typer(no_args_is_help=True, help="Run, start, stop and look at the daemon.")


class OnExit(StrEnum):
    """What becomes of gateway and runners when the daemon is told to end."""

    KEEP = "keep"
    STOP = "stop"


@app.command()
def run(
    directories: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR]...", help="Folders to follow.")
    ] = None,
    on_exit: Annotated[
        OnExit, typer.Option(help="Gateway and runners on SIGTERM or Ctrl-C: keep or stop them.")
    ] = OnExit.STOP,
    patience: Patience = 0.0,
) -> None:
    """Run the daemon in the foreground."""
    from lmctl.daemon.run import run as serve

    logs.configure()

    roots = [str(each) for each in absolute(directories or [])]
    asyncio.run(serve(home_of(), roots=roots, keep=on_exit is OnExit.KEEP, patience=patience))


@app.command()
def up(output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Start the daemon in the background; it follows the folders it followed before."""
    printer, home = Printer(output, quiet=quiet), home_of()
    if not ensure_daemon(home, printer):
        printer.note("a daemon already runs")
    if printer.machine:
        printer.data(_standing(DaemonClient(home).status().daemon), "")


@app.command()
def down(
    quiet: Quiet = False,
    keep: Annotated[bool, typer.Option(help="Leave gateway and runners serving.")] = False,
    timeout: Timeout = 90.0,
) -> None:
    """End the daemon and everything it started, also what a killed one left running.

    Exit code 0: nothing runs any more; 2: a daemon does not answer; 5: not in time.
    """
    printer = Printer(quiet=quiet)
    home = home_of()
    client = DaemonClient(home)
    try:
        view = client.status().daemon
        who = identity_of(view.pid) if view else None
        client.shutdown(keep=keep)
    except NoDaemon:
        printer.note("no daemon runs" if keep else _take_down(home))
        return
    if who is not None and not asyncio.run(Processes().wait(who, seconds=timeout)):
        printer.error(
            f"the daemon did not end in time, pid {who.pid}", f"see {home.logs}/daemon.log"
        )
        raise typer.Exit(5)
    printer.note("stopped; gateway and runners go on serving" if keep else "stopped")


def _take_down(home: Home) -> str:
    from lmctl.daemon.run import take_down_alone

    os.environ.setdefault("LMCTL_LOG_LEVEL", "WARNING")
    logs.configure()
    ended = asyncio.run(take_down_alone(home)) if home.root.exists() else 0
    if not ended:
        return "nothing runs"
    return f"stopped {ended} process{'es' if ended > 1 else ''} a daemon left"


@app.command()
def status(output: OutputOption = Output.TEXT) -> None:
    """Say whether a daemon runs.

    Exit code 0: it does; 1: it does not; 2: it does and does not answer.
    """
    printer = Printer(output)
    try:
        view = DaemonClient(home_of()).status().daemon
    except NoDaemon as problem:
        printer.data(_standing(running=False), f"not running: {problem}")
        raise typer.Exit(1) from None
    except Unreachable:
        printer.data(_standing(answers=False), "")
        raise
    pid, version = (view.pid, view.version) if view else (0, "")
    printer.data(_standing(view), f"running: pid {pid}, lmctl {version}")


def _standing(
    view: DaemonView | None = None, *, running: bool = True, answers: bool = True
) -> dict[str, object]:
    # The first four are what `lms daemon status --json` says.
    return {
        "status": "running" if running else "not-running",
        **({"pid": view.pid, "isDaemon": True, "version": view.version} if view else {}),
        "running": running,
        "answers": running and answers,
        "daemon": view,
    }
