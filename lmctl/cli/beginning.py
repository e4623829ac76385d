"""`init`: a first fleet that fits this machine, and why it is the one."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lmctl.adapters.files import write_atomically
from lmctl.adapters.gateway_process import can_bind
from lmctl.adapters.home import home_of
from lmctl.base.errors import Conflict, NotFound, Refused
from lmctl.base.quantities import format_size
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.planning.first_fleet import First

_HOST: Final = "127.0.0.1"
_PORTS: Final = range(1234, 1244)


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="The folder to write; default: ./fleet.")
    ] = Path("fleet"),
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", help="This model of the catalogue, not the best that fits."),
    ] = None,
    port: Annotated[
        int | None, typer.Option("--port", "-p", min=0, max=65535, help="Where it listens.")
    ] = None,
    lock: Annotated[
        bool, typer.Option(help="Write down, too, which files exactly the model is.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be written and why; write nothing.")
    ] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Write a first fleet: a model that fits this machine, an instance of it, a server.

    A folder in which anything is already is left alone. Exit code 0: written, or it would be; 1: it
    was written and the model is not locked yet; 2: refused, or no model fits.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    root = directory.expanduser().absolute()
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise Conflict(
            f"{root} is there and not empty", hint="`lmctl get NAME --into DIR` adds a model to it"
        )
    first = _chosen(home.root, model)
    files = _files(first, _port() if port is None else port)
    said = {"directory": str(root), **_told(first), "files": files, "written": not dry_run}
    if dry_run:
        printer.data(said, "".join(f"# {name}\n{text}\n" for name, text in files.items()))
        _tell(printer, first)
        printer.note("nothing was written")
        return
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode(), mode=0o644)
    _tell(printer, first)
    printer.data(said, "".join(f"{root / name}\n" for name in files))
    if lock:
        _lock(printer, root, first)
    printer.note(f"next: `lmctl apply {directory}`")


def _lock(printer: Printer, root: Path, first: First) -> None:
    from lmctl.cli.bringing import exit_unless_locked, lock_or_tell

    view = lock_or_tell(printer, root, [first.model.key])
    exit_unless_locked(view, [first.model.key])


def _chosen(home: Path, asked: str | None) -> First:
    from lmctl.adapters.catalogue import shipped
    from lmctl.adapters.host import look
    from lmctl.planning.catalogue import find
    from lmctl.planning.first_fleet import choose

    models = [each for each in shipped() if not each.about.facts.embeds]
    if asked is not None:
        found = find(models, asked)
        if found is None:
            names = ", ".join(each.name for each in models)
            raise NotFound(f"no model `{asked}` in the catalogue", hint=f"there is: {names}")
        models = [found]
    chosen = choose(models, look(home))
    if isinstance(chosen, First):
        return chosen
    why = "; ".join(f"{each.name}: {each.why}" for each in chosen[-2:])
    raise Refused(f"no model of the catalogue fits this machine: {why}")


def _port() -> int:
    """Return a port that is free here, LM Studio's own if it is."""
    return next((each for each in _PORTS if can_bind(_HOST, each)), 0)


def _files(first: First, port: int) -> dict[str, str]:
    """Return what is to be written, by path in the folder."""
    model = first.model
    return {
        f"models/{model.name}/model.yaml": model.manifest,
        "instances/chat.yaml": (
            "apiVersion: lmctl/v1alpha1\n"
            "kind: Instance\n"
            "metadata: {name: chat}\n"
            "spec:\n"
            f"  model: {model.key}\n"
            "  identifier: chat # the name clients use\n"
            "  load:\n"
            f"    contextLength: {first.context_length} # tokens one request may use\n"
            f"    parallel: {first.parallel} # requests answered at the same time\n"
        ),
        "server.yaml": f"listen: {{host: {_HOST}, port: {port}}} # this machine only\n",
    }


def _told(first: First) -> dict[str, Any]:
    return {
        "model": first.model.key,
        "quantization": first.quantization,
        "contextLength": first.context_length,
        "parallel": first.parallel,
        "memory": first.memory,
        "why": first.why,
        "passed": first.passed,
    }


def _tell(printer: Printer, first: First) -> None:
    printer.note(f"chosen: {first.model.key}, about {format_size(first.memory)} of memory")
    for each in first.why:
        printer.note(f"  {each}")
    for passed in first.passed:
        printer.note(f"passed over: {passed.name}: {passed.why}")
