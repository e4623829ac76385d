"""Which folders a command means, and what stands in them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import typer

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home
from lmctl.adapters.manifest_dir import scan
from lmctl.base.diagnostics import Diagnostic
from lmctl.base.errors import NotFound
from lmctl.cli.options import absolute
from lmctl.cli.printer import Printer
from lmctl.manifests import bundle as bundles
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.report import render
from lmctl.planning.report import problem_of


@dataclass(frozen=True, slots=True)
class Folders:
    """What folders hold: the bundle, all that is wrong with it, and the bytes of every file."""

    bundle: Bundle
    problems: tuple[Diagnostic, ...]
    files: Mapping[str, bytes]

    @property
    def fatal(self) -> bool:
        return any(each.fatal for each in self.problems)


def meant(home: Home, given: Sequence[Path] | None) -> list[Path]:
    """Return the folders given, or those the box follows.

    Raises NotFound when there are none of either.
    """
    if given:
        return absolute(list(given))
    followed = Followed(home.root / "roots.json").roots()
    if not followed:
        raise NotFound("no folder given, and this box follows none", hint="name a folder")
    return [Path(each) for each in followed]


def read(roots: Sequence[Path]) -> Folders:
    """Return what stands in folders. Raises NotFound for a folder that is not there."""
    found = scan(roots)
    reading = bundles.read(found.files)
    return Folders(reading.bundle, (*found.diagnostics, *reading.diagnostics), found.files)


def tell(printer: Printer, problems: Sequence[Diagnostic], files: Mapping[str, bytes]) -> None:
    """Print problems with the lines they are about; nothing where there are none."""
    if problems and printer.machine:
        printer.data({"valid": False, "problems": [problem_of(each) for each in problems]}, "")
    elif problems:
        printer.problem(render(problems, files).rstrip("\n"))


def read_or_exit(printer: Printer, roots: Sequence[Path]) -> Folders:
    """Return what stands in folders; exits with 2, having told why, when they are broken."""
    found = read(roots)
    if found.fatal:
        tell(printer, found.problems, found.files)
        raise typer.Exit(2)
    return found
