"""`import`: files of weights somebody has, brought into the models folder."""

import getpass
import re
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.weights.importing import How, bring, check
from lmctl.base.errors import Refused, Unreachable
from lmctl.base.quantities import format_size
from lmctl.cli.client import DaemonClient
from lmctl.cli.options import OutputOption, Quiet, interactive
from lmctl.cli.printer import Output, Printer
from lmctl.daemon.wiring import eyes
from lmctl.planning.gguf_names import is_gguf
from lmctl.planning.import_names import belonging, model_name
from lmctl.planning.mlx_names import is_mlx

_REPO: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")


def import_files(
    file: Annotated[
        Path, typer.Argument(help="A GGUF file, or the .safetensors file of an MLX folder.")
    ],
    user_repo: Annotated[
        str | None,
        typer.Option("--user-repo", metavar="USER/REPO", help="What model it is of."),
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", "-c", help="Leave the file, copy it.")] = False,
    hard_link: Annotated[
        bool, typer.Option("--hard-link", "-L", help="Leave the file, hard-link it.")
    ] = False,
    symbolic_link: Annotated[
        bool, typer.Option("--symbolic-link", "-l", help="Leave the file, link to it.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; a name is made of the file's.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, do nothing.")
    ] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Move weights into the models folder, or copy or link them; then `lmctl load` finds them.

    All parts of a split file come along, a vision projector beside it, an MLX folder. Exit code 0:
    done; 2: refused, e.g. because such a file is there.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    how = _how(copy=copy, hard_link=hard_link, symbolic_link=symbolic_link)
    file = file.expanduser().absolute()
    if not file.is_file():
        raise Refused(f"{file} is not a file", hint="name the file of weights itself")
    if not (is_gguf(file.name) or is_mlx(file.name)):
        printer.problem(f"warning: {file.name} ends neither in .gguf nor in .safetensors")
    key = _key(printer, file, user_repo, ask=not (yes or dry_run))
    files = _places(home, file, key)
    if dry_run:
        check(files)
    else:
        bring(files, how)
    _tell(printer, home, key, files, done=None if dry_run else how, how=how)


def _how(*, copy: bool, hard_link: bool, symbolic_link: bool) -> How:
    asked = [
        how
        for how, wanted in (
            (How.COPY, copy),
            (How.HARD_LINK, hard_link),
            (How.SYMBOLIC_LINK, symbolic_link),
        )
        if wanted
    ]
    if len(asked) > 1:
        raise typer.BadParameter("give one of --copy, --hard-link, --symbolic-link")
    return asked[0] if asked else How.MOVE


def _key(printer: Printer, file: Path, given: str | None, *, ask: bool) -> str:
    """Return the model's key: as given, as a person says, or made of the user's and file's names."""
    key = given or f"{getpass.getuser()}/{model_name(file.name)}"
    if given is None and ask:
        if printer.machine or not interactive():
            raise Refused("nobody to ask what model it is of", hint="pass --user-repo or --yes")
        key = typer.prompt("model (USER/REPO)", default=key, err=True)
    if not _REPO.fullmatch(key):
        raise typer.BadParameter(f"`{key}` is not USER/REPO", param_hint="--user-repo")
    return key


def _places(home: Home, file: Path, key: str) -> dict[Path, Path]:
    beside = [each.name for each in file.parent.iterdir()]
    folder = home.root / "models" / key
    if file.is_relative_to(home.root / "models"):
        raise Refused(f"{file} is in the models folder", hint="`lmctl ls` lists what is there")
    return {file.with_name(name): folder / name for name in belonging(file.name, beside)}


def _tell(
    printer: Printer, home: Home, key: str, files: dict[Path, Path], *, done: How | None, how: How
) -> None:
    if done is not None:
        key = _known_as(home, next(iter(files.values()))) or key
        _ring(home)
    moved = [{"from": str(source), "to": str(target)} for source, target in files.items()]
    lines = [f"{how.value}  {source} -> {target}" for source, target in files.items()]
    printer.data({"modelKey": key, "how": how.value, "files": moved, "done": done is not None},
                 "\n".join(lines))  # fmt: skip
    if done is None:
        printer.note("nothing was done")
        return
    size = sum(each.stat().st_size for each in files.values())
    printer.note(f"{key}, {format_size(size)}: `lmctl load {key}` loads it")


def _known_as(home: Home, main: Path) -> str | None:
    """Return the key under which the models folder shows a file; the variant is part of it."""
    models = eyes(home, clock=time.time).tree.local_models().models
    found = (each.key for each in models if main in {file.path for file in each.files})
    return next(found, None)


def _ring(home: Home) -> None:
    """Let a daemon that runs look again, so that the model is listed at once."""
    if home.holder() is None:
        return
    with closing(DaemonClient(home)) as client, suppress(Unreachable):
        client.reconcile()  # one that is just ending or starting looks by itself later
