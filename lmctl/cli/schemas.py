"""`schema`: the JSON Schemas of manifests, and settings that make an editor use them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.home import home_of
from lmctl.base.errors import NotFound, Refused
from lmctl.cli.printer import Printer
from lmctl.manifests.schema import BUNDLED, GLOBS, KINDS, render_all, schema, text
from lmctl.manifests.suggest import hint


def schemas(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="[KIND]", help="instance, model, ...; default: all in one."),
    ] = None,
    vscode: Annotated[
        bool, typer.Option("--vscode", help="Write all schemas, print settings that use them.")
    ] = False,
    into: Annotated[
        Path | None,
        typer.Option(help="Folder to write all schemas to; default: schemas in LMCTL_HOME."),
    ] = None,
) -> None:
    """Print the JSON Schema of a kind of manifest, or one that knows every kind.

    Exit code 0; 2: no such kind.
    """
    if vscode or into is not None:
        _write_all(into, settings=vscode)
        return
    name = (kind or BUNDLED).lower()
    known = (*KINDS, BUNDLED)
    if name not in known:
        raise NotFound(f"unknown kind `{kind}`", hint=hint(name, known, what="kinds"))
    Printer().data(None, text(schema(name)))


def _write_all(into: Path | None, *, settings: bool) -> None:
    folder = into.expanduser().absolute() if into else home_of().root / "schemas"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in render_all().items():
            if read_if_there(folder / name) != content.encode():
                write_atomically(folder / name, content.encode(), mode=0o644)
    except OSError as problem:
        raise Refused(f"`{folder}`: {problem.strerror}", hint="name another with --into") from None
    printer = Printer()
    if settings:
        printer.data(None, json.dumps(vscode_settings(folder), indent=2) + "\n")
    printer.note(f"schemas are in {folder}")


def vscode_settings(folder: Path) -> Mapping[str, Any]:
    """Return what belongs into settings.json: which files are checked against which schema.

    YAML needs the extension `redhat.vscode-yaml`. Files that are told by their `kind` have no name
    of their own, so the schema that knows every kind is given to those where fleets keep them.
    """
    yaml: dict[str, list[str]] = {}
    native: list[dict[str, Any]] = []
    for name, globs in GLOBS.items():
        address = (folder / f"{name}.json").as_uri()
        yaml[address] = [each for each in globs if not each.endswith(".json")]
        if files := [each for each in globs if each.endswith(".json")]:
            native.append({"fileMatch": files, "url": address})
    kinds = ("instances", "routes", "runtimes", "*.instance", "*.route", "*.runtime")
    yaml[(folder / f"{BUNDLED}.json").as_uri()] = [f"**/{each}.yaml" for each in kinds]
    return {
        "yaml.schemas": {address: globs for address, globs in yaml.items() if globs},
        "json.schemas": native,
    }
