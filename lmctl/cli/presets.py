"""`preset`: those of the fleet, and others brought into it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from lmctl.adapters.files import write_atomically
from lmctl.adapters.home import home_of
from lmctl.adapters.preset_sources import preset_files
from lmctl.base.errors import BadRequest, Conflict
from lmctl.cli.editing import DryRun, check_edit, replace_content, what_follows
from lmctl.cli.folders import Folders, meant, read_or_exit
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import table
from lmctl.manifests.preset_import import ImportedPreset, imported
from lmctl.manifests.report import printable

app = typer.Typer(
    name="preset",
    help="Presets: list those of the fleet, import others.",
    no_args_is_help=True,
    add_completion=False,
)
Directories = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders; default: those the box follows."),
]


@dataclass(frozen=True, slots=True)
class _Writing:
    """A preset on its way into a file, which holds `before` now; None where there is none."""

    preset: ImportedPreset
    file: str
    before: bytes | None

    @property
    def changes(self) -> bool:
        return self.before != self.preset.content


@app.command("import")
def import_presets(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE|FOLDER|ARCHIVE|URL", help="One, or several in an archive."),
    ],
    directories: Directories = None,
    identifier: Annotated[
        str | None, typer.Option("--as", metavar="NAME", help="What requests will call it.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Take the place of one that is declared.")
    ] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Bring presets into the fleet: LM Studio's of today, and those of 0.2, which become today's.

    What could not be carried over is said. Exit code 0: written, or nothing to change; 2: refused.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    roots = meant(home, directories)
    found = read_or_exit(printer, roots)
    files = preset_files(source)
    if identifier is not None and len(files) > 1:
        raise BadRequest(
            f"`--as` is for one preset, and there are {len(files)}", hint="leave it out"
        )
    presets = [imported(each.name, each.content, identifier=identifier) for each in files]
    plans = list(_placed(presets, found, roots[0], replace=replace))
    for each in plans:
        check_edit(printer, found, each.file, each.preset.content)
    printer.data({"presets": [_view(each) for each in plans]}, "".join(map(_line, plans)))
    for each in plans:
        for left in each.preset.left_out:
            printer.note(f"left out of {each.preset.identifier}: {left}")
        if each.changes and not dry_run:
            _write(each)
            printer.note(f"wrote {each.file}{what_follows(home, roots)}")


@app.command("ls")
def list_presets(
    directories: Directories = None, output: OutputOption = Output.TEXT, quiet: Quiet = False
) -> None:
    """List the presets of the fleet: what requests call them, what they set, where they stand."""
    printer = Printer(output, quiet=quiet)
    found = read_or_exit(printer, meant(home_of(), directories)).bundle
    listed: list[dict[str, Any]] = [
        {
            "identifier": name,
            "name": each.display_name,
            "settings": list(each.settings),
            "place": found.place("Preset", name).at,
        }
        for name, each in found.presets.items()
    ]
    rows = [(e["identifier"], e["name"], str(len(e["settings"])), e["place"]) for e in listed]
    heads = ("PRESET", "NAME", "SETTINGS", "FROM")
    printer.data({"presets": listed}, "\n".join(map(printable, table([heads, *rows]))))


def _placed(
    presets: list[ImportedPreset], found: Folders, root: Path, *, replace: bool
) -> Iterator[_Writing]:
    """Yield where each is to be written: a file of its own, or that of the one it replaces.

    Raises Conflict for one that is declared already, or comes twice.
    """
    taken: set[str] = set()
    for each in presets:
        declared = found.bundle.origins.get(("Preset", each.identifier))
        file = declared.place().file if declared else _free(root / "presets", each.slug, taken)
        writing = _Writing(each, file, found.files.get(file))
        if declared is not None and writing.changes and not replace:
            hint = "`--replace` takes its place, `--as NAME` gives this one another name"
            raise Conflict(
                f"there is a preset `{each.identifier}`, at {declared.place()}", hint=hint
            )
        if file in taken:
            raise Conflict(
                f"two presets are called `{each.identifier}`", hint="import them one by one"
            )
        taken.add(file)
        yield writing


def _free(folder: Path, slug: str, taken: set[str]) -> str:
    """Return the first name for a file that none has."""
    number = 1
    while True:
        ending = f"-{number}" if number > 1 else ""
        file = folder / f"{slug}{ending}.preset.json"
        if not file.exists() and str(file) not in taken:
            return str(file)
        number += 1


def _write(writing: _Writing) -> None:
    path, content = Path(writing.file), writing.preset.content
    if writing.before is not None:
        replace_content(path, writing.before, content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content, mode=0o644)


def _line(writing: _Writing) -> str:
    preset = writing.preset
    does = "+ add   " if writing.before is None else "~ change"
    mark = does if writing.changes else "= as is "
    count = len(preset.settings)
    words = f"{count} setting{'s' if count != 1 else ''}"
    return f"{printable(f'{mark} {preset.identifier}: {words}, {writing.file}')}\n"


def _view(writing: _Writing) -> dict[str, Any]:
    preset = writing.preset
    return {
        "identifier": preset.identifier,
        "file": writing.file,
        "settings": list(preset.settings),
        "leftOut": list(preset.left_out),
        "changes": writing.changes,
    }
