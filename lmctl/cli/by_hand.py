"""`load` and `unload`: beside what files declare, and told which file would declare it."""

from contextlib import closing
from typing import Annotated, Any

import typer

from lmctl.adapters.home import home_of
from lmctl.base.quantities import format_duration
from lmctl.cli.client import DaemonClient
from lmctl.cli.following import follow_until
from lmctl.cli.options import OutputOption, Quiet, Timeout, duration
from lmctl.cli.printer import Output, Printer, as_yaml


def load(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model's key, or key@variant.")],
    identifier: Annotated[
        str, typer.Option(help="Name clients use; the model's key if left out.")
    ] = "",
    context_length: Annotated[
        int | None, typer.Option("--context-length", "-c", min=1, help="In tokens.")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="Requests that are answered together.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="What runs it; llama.cpp if left out.")] = "",
    ttl: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="Unload it when it was idle for so long."
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 900.0,
) -> None:
    """Load a model beside what files declare; no edit of them takes it down again.

    Exit code 0: it is loaded; 1: it stalled; 2: there is no such model, or what is declared stands
    in the way; 5: not in time.
    """
    printer = Printer(output, quiet=quiet)
    given = {"contextLength": context_length, "parallel": parallel}
    settings = {key: value for key, value in given.items() if value is not None}
    with closing(DaemonClient(home_of())) as client:
        answer = client.load(
            {
                "model": model,
                "identifier": identifier,
                "runtime": runtime,
                "load": settings,
                "ttl": ttl,
            }
        )
        name = answer["name"]
        ended = follow_until(client, printer, timeout=timeout, wanted=[f"instance/{name}"])
    if ended.code:
        raise typer.Exit(ended.code)
    _tell(printer, answer, ttl)


def unload(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name, or the id clients use.")],
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Unload what was loaded by hand. What a file declares is unloaded by editing that file.

    Exit code 0: it is gone; 2: there is no such thing, or a file declares it.
    """
    printer = Printer(output, quiet=quiet)
    with closing(DaemonClient(home_of())) as client:
        gone = client.unload(name)
    printer.data(gone, "")
    printer.note(f"unloaded instance/{gone['name']}; clients knew it as {gone['identifier']}")


def _tell(printer: Printer, answer: dict[str, Any], ttl: float | None) -> None:
    name, known = f"instance/{answer['name']}", answer["identifier"]
    if not answer["new"]:
        printer.note(f"{name} is there already; clients know it as {known}")
        printer.data(answer, "")
        return
    until = f" until it is idle for {format_duration(ttl)}" if ttl is not None else ""
    printer.note(f"loaded {name}{until}; clients know it as {known}")
    printer.note("it belongs to you, not to the fleet; this would declare it:")
    printer.data(answer, as_yaml(answer["manifest"]))
