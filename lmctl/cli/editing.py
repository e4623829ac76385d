"""`set`: fields changed by command, in the file that declares them."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.files import write_atomically
from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home, home_of
from lmctl.base.diagnostics import Diagnostic
from lmctl.base.errors import BadRequest, NotFound, Refused
from lmctl.cli.folders import Folders, meant, read, tell
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.manifests import bundle as bundles
from lmctl.manifests.edit_paths import Edit, edit
from lmctl.manifests.edits import edited
from lmctl.manifests.reading import Declared
from lmctl.manifests.suggest import hint

_KINDS = {
    "instance": "Instance",
    "server": "Server",
    "runtime": "Runtime",
    "route": "Route",
    "model": "Model",
    "preset": "Preset",
    "mcp": "McpServer",
}
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, write nothing.")]


def set_fields(
    target: Annotated[
        str, typer.Argument(metavar="KIND/NAME", help="Such as instance/chat, model/org/x, server.")
    ],
    words: Annotated[
        list[str],
        typer.Argument(metavar="PATH=VALUE... [DIR]...", help="PATH=VALUE, or PATH- to take out."),
    ],
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Change fields of an object in the file that declares it, everything else stays as it is.

    Values are read as YAML: 8192, true, 8Gi, [a, b], {a: 1}. Checked like any manifest before it
    is written; a value that is refused changes nothing. Folders: those the box follows.

    Exit code 0: done, or nothing to change; 2: refused.
    """
    printer = Printer(output, quiet=quiet)
    home = home_of()
    edits, folders = _split(words)
    roots = meant(home, folders)
    found = read(roots)
    declared = declared_as(printer, found, target)
    file = declared.place().file
    before = found.files[file]
    after = edited(declared, before, edits)
    check_edit(printer, found, file, after)
    show_changes(printer, {file: (before, after)})
    if before != after and not dry_run:
        replace_content(Path(file), before, after)
        printer.note(f"wrote {file}{what_follows(home, roots)}")


def _split(words: Sequence[str]) -> tuple[list[Edit], list[Path]]:
    """Tell edits from folders: a folder has no `=`, and ends with `-` only if it is there."""
    edits: list[Edit] = []
    folders: list[Path] = []
    for word in words:
        if "=" not in word and (not word.endswith("-") or Path(word).is_dir()):
            folders.append(Path(word))
        else:
            edits.append(edit(word))
    if not edits:
        raise BadRequest(
            f"`{words[0]}` is no edit", hint="write PATH=VALUE, or PATH- to take a field out"
        )
    return edits, folders


def declared_as(printer: Printer, found: Folders, target: str) -> Declared:
    """Return the object meant. Raises NotFound; exits with 2 when broken files may hide it."""
    word, _, name = target.partition("/")
    kind = _KINDS.get(word.lower().removesuffix("s"))
    if kind is None:
        raise NotFound(f"unknown kind `{word}`", hint=hint(word, _KINDS, what="kinds"))
    of_kind = {name: each for (other, name), each in found.bundle.origins.items() if other == kind}
    if name in of_kind:
        return of_kind[name]
    if not name and len(of_kind) == 1:
        return next(iter(of_kind.values()))
    if found.fatal:
        tell(printer, found.problems, found.files)
        raise typer.Exit(2)
    names = hint(name, of_kind, what=f"{word}s") if of_kind else f"no {kind} is declared"
    raise NotFound(f"no `{target}` in these folders", hint=names)


def check_edit(printer: Printer, found: Folders, file: str, after: bytes) -> None:
    """Exit with 2, having told what is wrong, when the edit breaks what was not broken.

    A file that is to hold nothing is to go.
    """
    others = {name: text for name, text in found.files.items() if name != file}
    files = {**others, file: after} if after else others
    known = {_said(each) for each in found.problems}
    wrong = [
        each for each in bundles.read(files).diagnostics if each.fatal and _said(each) not in known
    ]
    if wrong:
        tell(printer, wrong, files)
        raise typer.Exit(2)


def _said(problem: Diagnostic) -> tuple[str, str]:
    return problem.place.file, problem.message


def add_manifest(
    printer: Printer, home: Home, found: Folders, roots: Sequence[Path], path: Path, text: bytes
) -> None:
    """Write a manifest that was not there into folders that were read, shown to people first.

    Exits with 2, having written nothing, when it breaks what was not broken.
    """
    check_edit(printer, found, str(path), text)
    if not printer.machine:
        show_changes(printer, {str(path): (b"", text)})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, text, mode=0o644)
    printer.note(f"wrote {path}{what_follows(home, roots)}")


def show_changes(printer: Printer, changes: Mapping[str, tuple[bytes, bytes]]) -> None:
    """Print what changes as a unified diff."""
    differing = {file: pair for file, pair in changes.items() if pair[0] != pair[1]}
    texts = {file: _diff(file, *pair) for file, pair in differing.items()}
    data = [{"file": file, "diff": text} for file, text in texts.items()]
    printer.data({"changes": data}, "".join(texts.values()))
    if not differing:
        printer.note("nothing to change")


def _diff(file: str, before: bytes, after: bytes) -> str:
    old, new = (each.decode().splitlines(keepends=True) for each in (before, after))
    lines = difflib.unified_diff(old, new, file, file, n=2)
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ no newline at the end\n" for line in lines
    )


def replace_content(path: Path, before: bytes, after: bytes) -> None:
    """Replace what a file holds, through links and with its mode.

    Raises Refused when it is not what was read any more, or cannot be written.
    """
    path = path.resolve()
    try:
        if path.read_bytes() != before:
            raise Refused(f"{path} was changed meanwhile", hint="look at it and try again")
        write_atomically(path, after, mode=path.stat().st_mode & 0o777)
    except OSError as problem:
        raise Refused(f"{path}: {problem.strerror}", hint="nothing was changed") from problem


def what_follows(home: Home, roots: Sequence[Path]) -> str:
    """Return what to say behind "wrote FILE": whether a box acts on it."""
    followed = Followed(home.root / "roots.json").roots()
    if home.holder() is not None and {str(each) for each in roots} <= set(followed):
        return "; the box follows it: `lmctl status` shows what it does about it"
    return ""
