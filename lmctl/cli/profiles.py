"""A machine that is not here, as `lmctl facts` wrote it down there."""

from pathlib import Path

import typer

from lmctl.base.errors import NotFound
from lmctl.cli.printer import Printer
from lmctl.manifests.report import render
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.host_profile_file import read as read_profile


def profile_of(printer: Printer, path: Path) -> HostProfile:
    """Return what a file says of a machine; exits with 2, having told why, when it is broken.

    Raises NotFound when it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise NotFound(f"cannot read {path}: {error.strerror}") from error
    found = read_profile(str(path), content)
    if isinstance(found, HostProfile):
        return found
    printer.problem(render(found, {str(path): content}).rstrip("\n"))
    raise typer.Exit(2)
