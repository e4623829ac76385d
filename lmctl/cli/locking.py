"""`lmctl lock`: resolve what the manifests leave open, once, and write it down beside them."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.home import home_of
from lmctl.base.errors import NotFound, Refused
from lmctl.cli import folders
from lmctl.cli.lock_view import (
    FileView,
    LockView,
    disagreements,
    render_lock,
    source_views,
)
from lmctl.cli.options import OutputOption, Quiet, absolute
from lmctl.cli.printer import Output, Printer
from lmctl.cli.resolving import Resolved, resolve
from lmctl.daemon.wiring import Eyes, eyes
from lmctl.manifests import bundle as bundles
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.lock import LockedSource, is_lock, render
from lmctl.manifests.suggest import closest
from lmctl.planning.locking import Wish, lock_of, lock_path, wishes


def lock(
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of manifests; default: this one."),
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    update: Annotated[
        bool, typer.Option("--update", help="Resolve everything anew, also what is locked.")
    ] = False,
    update_model: Annotated[
        list[str] | None,
        typer.Option("--update-model", metavar="MODEL", help="Resolve this one anew; repeatable."),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only say whether the lock lags; resolve nothing.")
    ] = False,
) -> None:
    """Write to DIR/lmctl.lock what every source comes to: commit, files, sizes, sha256.

    What is locked stays; only what is new or changed is resolved. Exit code 0: all is locked; 1:
    something is not (or the lock lags, with --check); 2: the manifests are broken.
    """
    printer = Printer(output, quiet=quiet)
    roots = [str(each) for each in absolute(directories or [Path()])]
    view = lock_folders(
        printer, roots, update=update, update_models=update_model or [], check=check
    )
    printer.data(view, render_lock(view))
    if not (view.fresh if check else view.complete):
        raise typer.Exit(1)


def lock_folders(
    printer: Printer,
    roots: Sequence[str],
    *,
    update: bool = False,
    update_models: Sequence[str] = (),
    check: bool = False,
) -> LockView:
    """Bring the locks of folders up to date and return what stands in them; `check` writes nothing.

    Exits with 2 when the manifests are broken. Raises NotFound for a model there is none of.
    """
    see = eyes(home_of(), clock=time.time)
    bundle = _read(printer, roots, anew=update and not check)
    wished = _wishes(see, bundle, roots)
    again = _again(wished, everything=update, models=update_models)
    todo = [each for each in wished if each.locked is None or each.model in again]
    found = (
        Resolved(failed=dict.fromkeys(todo, "not locked, or changed since"))
        if check
        else asyncio.run(resolve(todo, see.weights, printer))
    )
    locked = {each: each.locked for each in wished if each.locked is not None} | found.locked
    files = tuple(_file(root, wished, locked, write=not check) for root in roots)
    dropped = _dropped(bundle, roots, wished)
    for each in disagreements(locked):
        printer.note(f"note: {each}")
    return LockView(
        tuple(each for each in files if each is not None),
        source_views(wished, locked, found.failed, dropped),
    )


def _read(printer: Printer, roots: Sequence[str], *, anew: bool) -> Bundle:
    """Return what the folders declare; exits with 2 when they are broken.

    A broken lock is no obstacle when everything in it is resolved `anew`.
    """
    found = folders.read([Path(each) for each in roots])
    fatal = [each for each in found.problems if each.fatal]
    broken = {each.place.file for each in fatal}
    if fatal and anew and all(map(is_lock, broken)):
        texts = {file: text for file, text in found.files.items() if file not in broken}
        return bundles.read(texts).bundle
    if fatal:
        folders.tell(printer, fatal, found.files)
        raise typer.Exit(2)
    return found.bundle


def _wishes(see: Eyes, bundle: Bundle, roots: Sequence[str]) -> tuple[Wish, ...]:
    host = see.host()
    return wishes(bundle, roots, user=host.user, recorded=host.recorded)


def _again(wished: Sequence[Wish], *, everything: bool, models: Sequence[str]) -> set[str]:
    """Return the models to resolve anew. Raises NotFound for one that is not here to be locked."""
    known = {each.model for each in wished}
    for name in models:
        if name not in known:
            near = closest(name, known)
            hint = f"did you mean `{near}`?" if near else f"there is: {', '.join(sorted(known))}"
            raise NotFound(f"no model `{name}` to lock", hint=hint)
    return known if everything else set(models)


def _file(
    root: str, wished: Sequence[Wish], locked: Mapping[Wish, LockedSource], *, write: bool
) -> FileView | None:
    """Bring one lock file up to date; None where there is none and none is needed."""
    path = Path(lock_path(root))
    wanted = lock_of(root, wished, locked)
    text = render(wanted).encode()
    try:
        before = read_if_there(path)
        if before is None and not wanted.models:
            return None
        if write and before != text:
            write_atomically(path, text, mode=0o644)
    except OSError as error:
        raise Refused(f"cannot write {path}: {error.strerror}") from error
    return FileView(str(path), len(wanted.models), before != text)


def _dropped(bundle: Bundle, roots: Sequence[str], wished: Sequence[Wish]) -> list[str]:
    ours = {lock_path(root) for root in roots}
    wanted = {(each.model, each.key) for each in wished}
    gone = bundle.locked.items()
    return [model for (model, key), at in gone if at.file in ours and (model, key) not in wanted]
