"""`token`: tokens that clients show; a new one is printed once, manifests hold its hash."""

import hashlib
import json
import secrets
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, get_args

import msgspec
import typer

from lmctl.adapters.files import write_atomically
from lmctl.adapters.home import home_of
from lmctl.base.errors import BadRequest, Conflict, NotFound, Refused
from lmctl.cli.editing import (
    DryRun,
    check_edit,
    declared_as,
    replace_content,
    show_changes,
    what_follows,
)
from lmctl.cli.folders import Folders, meant, read_or_exit
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import table
from lmctl.manifests.edit_paths import Edit, Pick
from lmctl.manifests.edits import edited
from lmctl.manifests.server import Scope, Token
from lmctl.manifests.suggest import hint

_LETTERS = string.ascii_letters + string.digits
_SCOPES: tuple[str, ...] = get_args(Scope)
_USUAL = ("inference", "models:read")
_NEW_FILE = "server.yaml"

app = typer.Typer(
    name="token",
    help="Tokens that clients show: make, list, take away.",
    no_args_is_help=True,
    add_completion=False,
)
Name = Annotated[str, typer.Argument(metavar="NAME", help="For people and logs.")]
Directories = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders; default: those the box follows."),
]


class TokenView(msgspec.Struct, rename="camel"):
    """A declared token; `known_by` is how the gateway knows it."""

    name: str
    scopes: tuple[str, ...]
    known_by: str
    place: str


@app.command()
def create(
    name: Name,
    directories: Directories = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help=f"What it may do; may be repeated: {', '.join(_SCOPES)}.",
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Make a token, print it, and write its hash into the Server's manifest.

    It is shown this once: only its SHA-256 is kept. Without --scope it may ask models and list them.

    Exit code 0: done; 2: refused.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    scopes = _checked(scope or list(_USUAL))
    token = new_token()
    item = {
        "name": name,
        "scopes": scopes,
        "hash": f"sha256:{hashlib.sha256(token.encode()).hexdigest()}",
    }
    roots = meant(home, directories)
    found = read_or_exit(printer, roots)
    declared = found.bundle.server.spec.auth.tokens
    if any(each.name == name for each in declared):
        raise Conflict(f"there is a token `{name}`", hint=f"`lmctl token rm {name}` takes it away")
    edit = Edit(("auth", "tokens", len(declared)), item)
    file, before, after = _with_edit(printer, found, roots, edit)
    if dry_run:
        show_changes(printer, {file: (before, after)})
        return
    _write(Path(file), before, after)
    printer.data({"name": name, "token": token, "scopes": scopes}, token)
    printer.note(f"wrote its hash to {file}{what_follows(home, roots)}")
    printer.note("this is the only time the token is shown")
    if not found.bundle.server.spec.auth.required:
        printer.note("nobody needs a token until `lmctl set server auth.required=true`")


@app.command()
def ls(
    directories: Directories = None, output: OutputOption = Output.TEXT, quiet: Quiet = False
) -> None:
    """List the declared tokens, what they may do and how they are known; never a token itself."""
    printer = Printer(output, quiet=quiet)
    found = read_or_exit(printer, meant(home_of(), directories))
    auth = found.bundle.server.spec.auth
    views = [
        TokenView(
            each.name,
            each.scopes,
            _known_by(each),
            found.bundle.place("Server", found.bundle.server.name, "spec", "auth", "tokens", n).at,
        )
        for n, each in enumerate(auth.tokens)
    ]
    rows = [("TOKEN", "SCOPES", "KNOWN BY", "DECLARED AT")]
    rows += [(e.name, ", ".join(e.scopes) or "none", e.known_by, e.place) for e in views]
    printer.data(
        {"required": auth.required, "tokens": views},
        "\n".join(table(rows)) if views else "no tokens are declared",
    )
    if not auth.required:
        printer.note("nobody needs one: `auth.required` is false")


@app.command()
def rm(
    name: Name,
    directories: Directories = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Take a token out of the manifest; the next request that shows it is refused.

    Exit code 0: done; 2: there is no such token, or the manifests are broken.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    roots = meant(home, directories)
    found = read_or_exit(printer, roots)
    names = [each.name for each in found.bundle.server.spec.auth.tokens]
    if name not in names:
        told = hint(name, names, what="tokens") if names else "no tokens are declared"
        raise NotFound(f"no token `{name}` is declared", hint=told)
    edit = Edit(("auth", "tokens", Pick(name)), remove=True)
    file, before, after = _with_edit(printer, found, roots, edit)
    show_changes(printer, {file: (before, after)})
    if not dry_run:
        _write(Path(file), before, after)
        printer.note(f"wrote {file}{what_follows(home, roots)}")


def new_token() -> str:
    """Return a token in LM Studio's form: `sk-lm-`, eight characters, `:`, twenty (119 bits)."""
    return f"sk-lm-{_random(8)}:{_random(20)}"


def _random(length: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(length))


def _checked(scopes: Sequence[str]) -> list[str]:
    for each in scopes:
        if each not in _SCOPES:
            raise BadRequest(f"no scope `{each}`", hint=hint(each, _SCOPES, what="scopes"))
    return list(dict.fromkeys(scopes))


def _known_by(token: Token) -> str:
    return str(token.secret_ref) if token.hash is None else token.hash[: len("sha256:") + 12]


def _with_edit(
    printer: Printer, found: Folders, roots: Sequence[Path], edit: Edit
) -> tuple[str, bytes, bytes]:
    """Return the file of the Server, what it holds and what it would: a new one where none is."""
    if not any(kind == "Server" for kind, _ in found.bundle.origins):
        file, before, after = str(roots[0] / _NEW_FILE), b"", _new_server(edit.value)
    else:
        declared = declared_as(printer, found, "server")
        file = declared.place().file
        before = found.files[file]
        after = edited(declared, before, [edit])
    check_edit(printer, found, file, after)
    return file, before, after


def _new_server(item: Any) -> bytes:
    scopes = ", ".join(item["scopes"])
    line = f'{{name: {json.dumps(item["name"])}, scopes: [{scopes}], hash: "{item["hash"]}"}}'
    return f"auth:\n  tokens:\n    - {line}\n".encode()


def _write(path: Path, before: bytes, after: bytes) -> None:
    if before or path.exists():
        replace_content(path, before, after)
        return
    try:
        write_atomically(path, after, mode=0o644)
    except OSError as problem:
        raise Refused(f"{path}: {problem.strerror}", hint="nothing was changed") from problem
