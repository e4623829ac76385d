"""`downloads`, `search` and `rm`: models of the hub beside what files declare."""

from contextlib import closing
from typing import Annotated, Any

import typer

from lmctl.adapters.home import home_of
from lmctl.base.errors import NotFound
from lmctl.base.quantities import format_size
from lmctl.cli.download_client import DownloadClient
from lmctl.cli.following_download import begin
from lmctl.cli.following_download import follow as follow_to_the_end
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_downloads import render_choices, render_downloads, render_found, sentence
from lmctl.planning.downloads import DownloadView

app = typer.Typer(
    help="Download models of the hub; look at downloads, stop them, go on with them.",
    no_args_is_help=True,
)
Job = Annotated[str, typer.Argument(metavar="ID", help="A download's id, or the model it brings.")]


def _client() -> Any:
    return closing(DownloadClient(home_of()))


@app.command("start")
def start(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="OWNER/REPO, OWNER/REPO@Q4_K_M, or a link.")
    ],
    detach: Annotated[
        bool, typer.Option("--detach", help="Do not wait for its end; it goes on by itself.")
    ] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Download a model of the hub: the quantization that suits this machine best, or the one named.

    Exit code 0: it is here, or on its way with --detach; 1: it failed; 2: there is no such model, the
    hub does not answer, or the disk has no room.
    """
    printer = Printer(output, quiet=quiet)
    with _client() as client:
        view = begin(client, printer, model)
        if view.status == "downloading" and not detach:
            view = follow_to_the_end(client, printer, view.id)
    _end(printer, view)


@app.command("ls")
def ls(output: OutputOption = Output.TEXT) -> None:
    """List downloads by request, in the order they were asked for.

    Exit code 0.
    """
    with _client() as client:
        found = client.downloads()
    Printer(output).data(found, render_downloads(found))


@app.command("pause")
def pause(job: Job, output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Stop a download; what is here stays, and it goes on when it is resumed.

    Exit code 0: it is paused; 2: there is none, or it is over.
    """
    with _client() as client:
        _tell(client.pause_download(_id(client, job)), output, quiet=quiet)


@app.command("resume")
def resume(job: Job, output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Go on with a download that is paused or failed, from the bytes that are here.

    Exit code 0: it goes on; 2: there is none, or it is complete.
    """
    with _client() as client:
        _tell(client.resume_download(_id(client, job)), output, quiet=quiet)


@app.command("cancel")
def cancel(job: Job, output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Give a download up and remove what is here of it.

    Exit code 0: it is forgotten; 2: there is none, or it is complete.
    """
    printer = Printer(output, quiet=quiet)
    with _client() as client:
        was = client.cancel_download(_id(client, job))
    printer.data(was, "")
    printer.note(f"gave up {was.model}; {format_size(was.done)} of it are removed")


@app.command("follow")
def follow(job: Job, output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Show how a download goes until it ends. Ctrl-C leaves it running.

    Exit code 0: the model is here; 1: it failed, or is paused; 2: there is none.
    """
    printer = Printer(output, quiet=quiet)
    with _client() as client:
        ended = follow_to_the_end(client, printer, _id(client, job))
    _end(printer, ended)


def search(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]...", help="What its name should have; or OWNER/REPO."),
    ] = None,
    mlx: Annotated[bool, typer.Option("--mlx", help="MLX folders instead of GGUF files.")] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=100, help="How many at most.")
    ] = 20,
    choices: Annotated[
        bool,
        typer.Option("--choices", help="What one repository offers, and what suits this machine."),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Find models on the hub, those downloaded most first; or show what one repository offers.

    Exit code 0: found; 1: nothing fits; 2: the hub does not answer, or there is no such repository.
    """
    printer, asked = Printer(output), " ".join(words or [])
    with _client() as client:
        if choices:
            offered = client.choices(asked)
            printer.data(offered, render_choices(offered))
            return
        found = client.search(asked, format="mlx" if mlx else "gguf", limit=limit)
    printer.data(found, render_found(found))
    if not found:
        raise typer.Exit(1)


def rm(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="As `lmctl ls` lists it.")],
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Remove a model that was downloaded by request, at once, with the files nothing else needs.

    Exit code 0: it is gone; 2: there is none, a file declares it, or an instance is made of it.
    """
    printer = Printer(output, quiet=quiet)
    with _client() as client:
        gone = client.remove(model)
    printer.data(gone, "")
    kept = f"; {format_size(gone.kept)} stay, something else needs them" if gone.kept else ""
    printer.note(f"removed {gone.model}, freed {format_size(gone.freed)}{kept}")


def _id(client: DownloadClient, named: str) -> str:
    """Return the id of a download that is named by it or by its model: the newest of that."""
    found = [each.id for each in client.downloads() if named in (each.id, each.model)]
    if not found:
        raise NotFound(f"no download {named!r}", hint="`lmctl downloads ls` lists them")
    return found[-1]


def _end(printer: Printer, ended: DownloadView) -> None:
    """Tell how a download is; ends with 1 when it failed or is paused."""
    printer.data(ended, sentence(ended))
    if ended.status == "failed":
        printer.error(ended.message, ended.hint or None)
    if ended.status in ("failed", "paused"):
        raise typer.Exit(1)


def _tell(view: DownloadView, output: Output, *, quiet: bool) -> None:
    printer = Printer(output, quiet=quiet)
    printer.data(view, "")
    printer.note(sentence(view))
