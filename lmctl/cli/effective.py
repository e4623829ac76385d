"""`explain KIND/NAME --effective`: what an object comes to, value by value."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from lmctl.adapters.home import home_of
from lmctl.cli import folders
from lmctl.cli.printer import Printer
from lmctl.cli.render import table
from lmctl.cli.render_plan import near
from lmctl.manifests.report import printable
from lmctl.planning.effective import EffectiveValue, advised, effective_values


class EffectiveView(msgspec.Struct, frozen=True, rename="camel"):
    """An object and its values."""

    object: str
    values: tuple[EffectiveValue, ...]
    suggestions: tuple[str, ...] = ()


def explain_effective(
    key: str, directories: Sequence[Path] | None, printer: Printer, *, preset: str | None = None
) -> None:
    """Print every value of an object with its layer and line; exits with 2 for broken manifests.
    `preset` is one a request names.

    Raises NotFound when one of the two is not declared.
    """
    roots = folders.meant(home_of(), directories)
    found = folders.read_or_exit(printer, roots)
    values = effective_values(found.bundle, key, asked=preset)
    suggestions = advised(found.bundle, key, asked=preset)
    base = str(Path.cwd())
    rows = [(e.path, e.value, e.layer, _from(e, key, base)) for e in values]
    heads = ("FIELD", "VALUE", "LAYER", "FROM")
    advice = (f"suggested: {each}" for each in suggestions)
    text = "\n".join(map(printable, (*table([heads, *rows]), *advice)))
    printer.data(EffectiveView(key, values, suggestions), text)


def _from(each: EffectiveValue, key: str, base: str) -> str:
    """Return where a value stands, and in which object when that is not the one asked about."""
    other = f"  ({each.source})" if each.source not in ("", key) else ""
    return f"{near(each.place, base)}{other}"
