"""Models of a hub, brought as `lms get` does it: found by words, chosen among, followed to the end."""

from contextlib import closing

import typer

from lmctl.adapters.home import Home
from lmctl.base.errors import BadRequest, NotFound
from lmctl.base.quantities import format_size
from lmctl.cli.choosing import pick
from lmctl.cli.download_client import DownloadClient
from lmctl.cli.following_download import follow
from lmctl.cli.options import interactive
from lmctl.cli.printer import Printer
from lmctl.cli.render_downloads import render_choices, sentence
from lmctl.cli.starting import ensure_daemon
from lmctl.planning.choices import Choice, Choices, choose

_SHOWN = 15  # repositories a person chooses from


def get_from_hub(printer: Printer, home: Home, what: str, *, yes: bool, dry_run: bool) -> None:
    """Bring a model by `owner/repo`, `owner/repo@QUANT`, or link; by words a person chooses first.

    Where nobody can be asked, or with `yes`, what suits this machine is taken. Exits with 1 when the
    download failed or was paused. Raises what the hub says no with.
    """
    if what.count("@") > 1:
        raise BadRequest(f"`{what}` has more than one `@`", hint="write OWNER/REPO@QUANTIZATION")
    ensure_daemon(home, printer)
    with closing(DownloadClient(home)) as client:
        name = what if "/" in what else _found(printer, client, what)
        offered = client.choices(name)
        if dry_run:
            printer.data(offered, render_choices(offered))
            return
        chosen = _chosen(printer, offered, name, yes=yes)
        _bring(printer, client, name, chosen.quantization if "@" not in name else "")


def _found(printer: Printer, client: DownloadClient, words: str) -> str:
    """Return the repository a person chooses of those that fit the words."""
    hint = "`lmctl get --catalogue` and `lmctl search WORDS` list models"
    if printer.machine or not interactive():
        raise NotFound(f"no kind of object and no model is called `{words}`", hint=hint)
    found = [each.repo for each in client.search(words, limit=_SHOWN)]
    if not found:
        raise NotFound(f"no repository of the hub fits `{words}`", hint=hint)
    return pick(printer, found, "repository")


def _chosen(printer: Printer, offered: Choices, name: str, *, yes: bool) -> Choice:
    """Return what is downloaded: as named, as a person says, or as recommended."""
    named = name.partition("@")[2] or None
    best = choose(offered.choices, named) or choose(offered.choices, None)
    if best is None:
        raise NotFound(f"{offered.repo} has nothing to load", hint="`lmctl search` finds others")
    if named or yes or len(offered.choices) == 1 or printer.machine or not interactive():
        printer.note(f"taking {best.file}, {format_size(best.size)}: {best.advice}")
        return best
    printer.problem(render_choices(offered))
    files = [each.file for each in offered.choices]
    usual = files.index(best.file) + 1
    picked = pick(printer, files, "download", default=usual)
    return offered.choices[files.index(picked)]


def _bring(printer: Printer, client: DownloadClient, name: str, quantization: str) -> None:
    view = client.download(name, quantization)
    if view.status != "already_downloaded":
        view = follow(client, printer, view.id)
    printer.data(view, "")
    if view.status in ("completed", "already_downloaded"):
        was = "is here already" if view.status == "already_downloaded" else "is here"
        printer.note(f"{view.model} {was}; `lmctl load {view.model}` loads it")
        return
    printer.problem(sentence(view))
    if view.hint:
        printer.problem(f"hint: {view.hint}")
    raise typer.Exit(1)
