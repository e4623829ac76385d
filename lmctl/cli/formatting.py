"""`fmt`: the one layout for manifests."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.home import home_of
from lmctl.adapters.manifest_dir import scan
from lmctl.base.diagnostics import Diagnostic
from lmctl.base.errors import Refused
from lmctl.cli.editing import replace_content
from lmctl.cli.folders import meant
from lmctl.cli.options import OutputOption, Quiet, absolute
from lmctl.cli.printer import Output, Printer
from lmctl.manifests.decoding import UTF8_MARK
from lmctl.manifests.reading import counts
from lmctl.manifests.report import render
from lmctl.manifests.yaml_format import formatted
from lmctl.manifests.yaml_source import parse
from lmctl.planning.report import problem_of


def fmt(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR|FILE]...", help="Default: the folders the box follows."),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Write nothing, name the files.")] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Give manifests the one layout, keeping comments, order, quotes and what they say.

    Names every file that was changed. A file that cannot be read is told and left alone.

    Exit code 0: done; 1: with --check, a file would change; 2: a file cannot be read.
    """
    printer = Printer(output, quiet=quiet)
    files = _files(paths)
    changed: list[str] = []
    problems: list[Diagnostic] = []
    for file, content in files.items():
        wrong = [each for each in parse(file, content).diagnostics if each.fatal]
        problems += wrong
        made = None if wrong else _made(printer, file, content)
        if made is not None and made != content:
            changed.append(file)
            if not check:
                replace_content(Path(file), content, made)
    printer.data(
        {"changed": changed, "problems": [problem_of(each) for each in problems]},
        "\n".join(changed),
    )
    if problems and not printer.machine:
        printer.problem(render(problems, files).rstrip("\n"))
    if problems:
        raise typer.Exit(2)
    if changed and check:
        raise typer.Exit(1)


def _made(printer: Printer, file: str, content: bytes) -> bytes | None:
    text = content.removeprefix(UTF8_MARK).decode()
    made = formatted(file, text) if text.strip() else text
    if made is None:
        printer.note(f"{file}: left as it is, no other layout says the same")
        return None
    return made.encode()


def _files(paths: Sequence[Path] | None) -> dict[str, bytes]:
    """Return the manifests meant, by path.

    Raises NotFound for what is not there, and Refused for a file that is none by its name.
    """
    found: dict[str, bytes] = {}
    for path in absolute(list(paths)) if paths else meant(home_of(), None):
        if not path.is_file():
            found |= scan([path]).files
        elif counts(path.name):
            found[str(path)] = path.read_bytes()
        else:
            raise Refused(f"{path} is no manifest by its name", hint="see docs/manifests/README.md")
    return found
