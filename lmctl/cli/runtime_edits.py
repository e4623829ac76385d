"""`runtime get`, `select`, `remove`, `update`: what is declared of runtimes, changed by command."""

import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.runtimes.index import versions
from lmctl.base.errors import BadRequest, Conflict, NotFound, Refused
from lmctl.cli.client import DaemonClient
from lmctl.cli.declaring import declare_or_offer
from lmctl.cli.editing import (
    DryRun,
    check_edit,
    declared_as,
    replace_content,
    show_changes,
    what_follows,
)
from lmctl.cli.folders import Folders, meant, read_or_exit
from lmctl.cli.following import follow_until
from lmctl.cli.goals import Goal
from lmctl.cli.options import OutputOption, Quiet, Timeout, interactive
from lmctl.cli.printer import Output, Printer
from lmctl.cli.server_edits import Wanted, change_server
from lmctl.manifests.documents import without
from lmctl.manifests.edit_paths import Edit
from lmctl.manifests.edits import edited
from lmctl.manifests.envelope import API_VERSION
from lmctl.manifests.runtime import BUNDLED
from lmctl.manifests.suggest import hint

_PACKAGE: Final = "llama-cpp-python"
_ENGINE: Final = "llama.cpp"
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Channel = Annotated[
    str, typer.Option("--channel", metavar="stable|beta", help="beta: pre-releases, too.")
]


def get(
    query: Annotated[
        str, typer.Argument(metavar="[PACKAGE[@VERSION]]", help="Default: the newest of it.")
    ] = _PACKAGE,
    list_: Annotated[bool, typer.Option("--list", "-l", help="Only list its versions.")] = False,
    name: Annotated[str, typer.Option(help="What to call it; default: after its version.")] = "",
    flag: Annotated[
        list[str] | None,
        typer.Option("--build-flag", metavar="FLAG", help="Build it so; may be repeated."),
    ] = None,
    channel: Channel = "stable",
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 1800.0,
) -> None:
    """Declare a runtime in the fleet, and wait until the box has installed and tested it.

    Exit code 0: it is Ready, or declared where no daemon runs; 1: it stalled, or was not wanted; 2:
    refused, or the index has no such thing.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    package, _, version = query.partition("@")
    package = _PACKAGE if package == _ENGINE else package
    if list_:
        found = versions(package, early=_early(channel))
        printer.data({"package": package, "versions": found}, "\n".join(found))
        return
    version = version or versions(package, early=_early(channel))[0]
    called = name or re.sub(r"[^a-z0-9]+", "-", f"{package}-{version}".lower()).strip("-")
    roots = meant(home, None)
    if called in read_or_exit(printer, roots).bundle.runtimes:
        change = f"`lmctl runtime update {called}` pins it to the newest"
        raise Conflict(f"there is a runtime `{called}`", hint=change)
    _confirm(printer, f"Declare {package} {version} as runtime `{called}`?", yes=yes)
    manifest = _manifest(called, package, version, flag or ())
    declare_or_offer(printer, home, manifest, wanted=True)
    _until_ready(printer, home, roots, [called], timeout)
    printer.data({"name": called, "package": package, "version": version}, "")


def _manifest(name: str, package: str, version: str, flags: Sequence[str]) -> dict[str, Any]:
    spec: dict[str, Any] = {"engine": _ENGINE, "package": package, "version": version}
    if flags:
        spec["buildFlags"] = list(flags)
    return {
        "apiVersion": API_VERSION,
        "kind": "Runtime",
        "metadata": {"name": name},
        "spec": spec,
    }


def select(
    alias: Annotated[str, typer.Argument(metavar="[NAME]", help="A runtime of llama.cpp.")] = "",
    latest: Annotated[
        bool, typer.Option("--latest", help="The declared one of the newest version.")
    ] = False,
    yes: Yes = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Choose what runs models in GGUF whose Instance names no runtime: `defaults.runtime` of the Server.

    They are replaced, one by one. Without a name it says which one is chosen.

    Exit code 0: done, or it was so; 1: not wanted; 2: there is no such runtime.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    roots = meant(home, None)
    found = read_or_exit(printer, roots)
    chosen = _latest(found) if latest else alias
    now = found.bundle.server.spec.defaults.runtime or _ENGINE
    if not chosen:
        printer.data({"selected": now}, now)
        return
    known = [_ENGINE, *found.bundle.runtimes]
    if chosen not in known:
        raise NotFound(
            f"no runtime `{chosen}` of llama.cpp", hint=hint(chosen, known, what="runtimes")
        )
    changed = change_server(
        printer, home, found, roots, [Wanted(("defaults", "runtime"), chosen)], yes=yes
    )
    printer.data({"selected": chosen, "changed": changed}, "")
    if not changed:
        printer.note(f"`{chosen}` is what runs GGUF")


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A declared runtime.")],
    yes: Yes = False,
    dry_run: DryRun = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Take a runtime out of the manifests; refused while something declared runs on it.

    What was installed is kept for a while: `lmctl gc` removes it.

    Exit code 0: done; 1: not wanted; 2: it is needed, or there is no such runtime.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    roots = meant(home, None)
    found = read_or_exit(printer, roots)
    if name in BUNDLED:
        raise Refused(f"`{name}` came with lmctl", hint="it stays")
    declared = declared_as(printer, found, f"runtime/{name}")
    file = declared.place().file
    before = found.files[file]
    after = without(declared, before)
    _refuse_needed(found, name)
    check_edit(printer, found, file, after)
    show_changes(printer, {file: (before, after)})
    if dry_run:
        return
    _confirm(printer, f"Write it to {file}?", yes=yes)
    if after:
        replace_content(Path(file), before, after)
    else:
        Path(file).unlink()
    printer.note(f"{'wrote' if after else 'removed'} {file}{what_follows(home, roots)}")


def update(
    query: Annotated[str, typer.Argument(metavar="[NAME]", help="A declared runtime.")] = "",
    all_: Annotated[bool, typer.Option("--all", "-a", help="Every declared one.")] = False,
    channel: Channel = "stable",
    yes: Yes = False,
    dry_run: DryRun = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 1800.0,
) -> None:
    """Pin declared runtimes to the newest version the package index has, and wait until they are Ready.

    Exit code 0: done, or nothing newer; 1: it stalled, or was not wanted; 2: no such runtime.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    roots = meant(home, None)
    found = read_or_exit(printer, roots)
    runtimes = found.bundle.runtimes
    if not all_ and query not in runtimes:
        known = hint(query, runtimes, what="runtimes") if runtimes else "`lmctl runtime get`"
        raise NotFound(f"no runtime `{query}` is declared", hint=known)
    newer = _newer(found, sorted(runtimes) if all_ else [query], early=_early(channel))
    pairs = _pinned(printer, found, newer)
    show_changes(printer, pairs)
    if dry_run or not pairs:
        return
    _confirm(printer, f"Write {', '.join(pairs)}?", yes=yes)
    for file, (before, after) in pairs.items():
        replace_content(Path(file), before, after)
        printer.note(f"wrote {file}{what_follows(home, roots)}")
    _until_ready(printer, home, roots, list(newer), timeout)


def _newer(found: Folders, names: Sequence[str], *, early: bool) -> dict[str, str]:
    """Return, by runtime, the version the index has that it is not pinned to; each is asked once."""
    specs = {each: found.bundle.runtimes[each].spec for each in names}
    newest = {each: versions(each, early=early)[0] for each in {e.package for e in specs.values()}}
    return {
        name: newest[spec.package]
        for name, spec in specs.items()
        if newest[spec.package] != spec.version
    }


def _pinned(
    printer: Printer, found: Folders, pins: Mapping[str, str]
) -> dict[str, tuple[bytes, bytes]]:
    """Return what each file holds, and is to hold so that runtimes are pinned to these versions."""
    after = dict(found.files)
    for name, version in pins.items():
        declared = declared_as(printer, found, f"runtime/{name}")
        file = declared.place().file
        after[file] = edited(declared, after[file], [Edit(("version",), version)])
    changed = {file: text for file, text in after.items() if text != found.files[file]}
    for file, text in changed.items():
        check_edit(printer, found, file, text)
    return {file: (found.files[file], text) for file, text in changed.items()}


def _early(channel: str) -> bool:
    if channel not in ("stable", "beta"):
        raise BadRequest(f"there is no channel `{channel}`", hint="stable, or beta")
    return channel == "beta"


def _latest(found: Folders) -> str:
    """Return the declared runtime of the newest llama-cpp-python. Raises NotFound without one."""
    own = [each for each in found.bundle.runtimes.values() if each.spec.package == _PACKAGE]
    if not own:
        raise NotFound(f"no runtime of {_PACKAGE} is declared", hint="`lmctl runtime get`")
    return max(own, key=lambda each: _numbers(each.spec.version)).metadata.name


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in re.findall(r"\d+", version))


def _refuse_needed(found: Folders, name: str) -> None:
    instances = found.bundle.instances.values()
    users = [f"instance/{each.name}" for each in instances if each.spec.runtime == name]
    if found.bundle.server.spec.defaults.runtime == name:
        users.append("the Server, as `defaults.runtime`")
    if users:
        raise Refused(
            f"{', '.join(users)} names runtime `{name}`", hint="name another one there first"
        )


def _confirm(printer: Printer, question: str, *, yes: bool) -> None:
    """Ask; exits with 1 when a person says no. Raises Refused where nobody can be asked."""
    if yes:
        return
    if printer.machine or not interactive():
        raise Refused(
            "this changes what is declared, and there is nobody to ask", hint="pass --yes"
        )
    if not typer.confirm(question, default=True, err=True):
        printer.note("nothing was changed")
        raise typer.Exit(1)


def _until_ready(
    printer: Printer, home: Home, roots: Sequence[Path], names: Sequence[str], timeout: float
) -> None:
    """Have the box read its folders and wait for these runtimes; exits when that is in vain."""
    if home.holder() is None:
        printer.note("no daemon runs: it is installed once one does (`lmctl apply`)")
        return
    wanted = tuple(f"runtime/{each}" for each in names)
    with closing(DaemonClient(home)) as client:
        now = client.follow([str(each) for each in roots])
        goal = Goal("ready", now.generation)
        ended = follow_until(client, printer, timeout=timeout, wanted=wanted, goal=goal)
    if ended.code:
        raise typer.Exit(ended.code)
