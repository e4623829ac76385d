"""What was done by hand, written into the fleet: offered to a person, or done with `--declare`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home
from lmctl.base.errors import Conflict, NotFound
from lmctl.cli.editing import add_manifest
from lmctl.cli.folders import read_or_exit
from lmctl.cli.options import interactive
from lmctl.cli.printer import Printer, as_yaml

Declare = Annotated[
    bool | None,
    typer.Option(
        "--declare/--no-declare",
        help="Write the YAML that declares it into the fleet, or not; else a person is asked.",
        show_default=False,
    ),
]


def declare_or_offer(
    printer: Printer, home: Home, manifest: dict[str, Any], *, wanted: bool | None
) -> None:
    """Write an object into the first folder the box follows, if that is wanted.

    Without a word about it a person is asked; where there is nobody to ask, it is left.
    Raises NotFound when the box follows no folder, Conflict when such a file is there.
    """
    if wanted is False or (wanted is None and (printer.machine or not interactive())):
        return
    roots = [Path(each) for each in Followed(home.root / "roots.json").roots()]
    if not roots:
        if wanted is None:
            return
        raise NotFound("the box follows no folder to write it to", hint="`lmctl apply DIR` first")
    kind, name = manifest["kind"].lower(), manifest["metadata"]["name"]
    path = roots[0] / f"{kind}s" / f"{name}.yaml"
    if wanted is None and not typer.confirm(f"Declare it in {path}?", default=False, err=True):
        return
    if path.exists():
        raise Conflict(f"there is a file {path}", hint=f"`lmctl set {kind}/{name} …` changes it")
    found = read_or_exit(printer, roots)
    add_manifest(printer, home, found, roots, path, as_yaml(manifest).encode())
