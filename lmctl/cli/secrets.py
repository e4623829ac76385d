"""`secrets`: whether every reference leads to a secret; the secrets themselves are never shown."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lmctl.adapters.home import home_of
from lmctl.adapters.secrets import SecretResolver, fingerprint_key
from lmctl.base.errors import LmctlError
from lmctl.cli.folders import meant, read_or_exit
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import table
from lmctl.manifests.secret_ref import SecretRef
from lmctl.manifests.secrets_declared import secrets_declared


class SecretView(msgspec.Struct, rename="camel"):
    """One reference, and whether it leads to a secret."""

    name: str
    reference: str
    found: bool
    fingerprint: str = ""
    problem: str = ""


def secrets(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders; default: those the box follows."),
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Show whether every secret the manifests refer to is there. Never shows a secret.

    A fingerprint changes when its secret does; it is of use on this box only. Looked for with the
    environment of this command, which need not be the daemon's.

    Exit code 0: all are there; 1: one is not; 2: the manifests are broken.
    """
    printer = Printer(output, quiet=quiet)
    home = home_of()
    bundle = read_or_exit(printer, meant(home, directories)).bundle
    resolver = SecretResolver(fingerprint_key(home.root))
    found = [_view(resolver, name, each) for name, each in secrets_declared(bundle)]
    rows = [("SECRET", "REFERENCE", "FINGERPRINT", "PROBLEM")]
    rows += [(each.name, each.reference, each.fingerprint, each.problem) for each in found]
    printer.data({"secrets": found}, "\n".join(table(rows)) if found else "no secrets referred to")
    if not all(each.found for each in found):
        raise typer.Exit(1)


def _view(resolver: SecretResolver, name: str, reference: SecretRef) -> SecretView:
    try:
        secret = resolver.find(reference)
    except LmctlError as problem:
        words = f"{problem}; {problem.hint}" if problem.hint else str(problem)
        return SecretView(name, str(reference), found=False, problem=words)
    return SecretView(name, secret.where, found=True, fingerprint=secret.fingerprint)
