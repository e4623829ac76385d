"""Which model is meant by a few letters of its name, or by none."""

from collections.abc import Sequence

import typer

from lmctl.base.errors import NotFound
from lmctl.cli.options import interactive
from lmctl.cli.printer import Printer


def choose_model(printer: Printer, text: str | None, keys: Sequence[str], *, first: bool) -> str:
    """Return the key that is meant: the one that is named, or the one that holds the text.

    Of several a person picks one; `first` takes the first and says so. What fits none is returned
    as it is, for whoever knows more. Raises NotFound where nobody can be asked.
    """
    wanted = (text or "").casefold()
    if wanted and wanted.partition("@")[0] in {each.casefold().partition("@")[0] for each in keys}:
        return text or ""
    found = sorted({each for each in keys if wanted in each.casefold()})
    if not found and text:
        return text
    if not found:
        raise NotFound("there is no model to choose", hint="`lmctl ls` lists what is here")
    if len(found) == 1 or first:
        others = f", the first of {len(found)} that fit" if len(found) > 1 else ""
        printer.note(f"taking {found[0]}{others}")
        return found[0]
    if printer.machine or not interactive():
        raise NotFound(
            f"which model? {len(found)} fit", hint=f"name one of: {', '.join(found)}; or pass -y"
        )
    return pick(printer, found, "model")


def pick(printer: Printer, names: Sequence[str], what: str, *, default: int = 1) -> str:
    """Ask a person for one of several, by its number."""
    for number, name in enumerate(names, 1):
        printer.problem(f"{number:3d}  {name}")
    chosen: int = typer.prompt(what, type=int, default=default, err=True)
    if not 1 <= chosen <= len(names):
        raise typer.BadParameter(f"expected a number from 1 to {len(names)}")
    return names[chosen - 1]
