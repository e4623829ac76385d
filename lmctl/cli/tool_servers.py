"""`mcp`: tool servers added by a link, made into one, looked after."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from lmctl.adapters.files import write_atomically
from lmctl.adapters.home import home_of
from lmctl.base.errors import BadRequest, Conflict, NotFound, Refused
from lmctl.base.tools import label_of
from lmctl.cli import tool_logins
from lmctl.cli.client import DaemonClient
from lmctl.cli.editing import (
    DryRun,
    check_edit,
    declared_as,
    replace_content,
    show_changes,
    what_follows,
)
from lmctl.cli.folders import Folders, meant, read_or_exit
from lmctl.cli.options import OutputOption, Quiet, interactive
from lmctl.cli.printer import Output, Printer
from lmctl.manifests.deeplink import LinkedServer, one_entry, read_link, write_link
from lmctl.manifests.yaml_edit import Text

_FILE = "mcp.json"
_EMPTY = b'{\n  "mcpServers": {}\n}\n'
app = typer.Typer(
    name="mcp",
    help="Tool servers: add one by a link, make a link, look after those of the box.",
    no_args_is_help=True,
    add_completion=False,
)
app.command()(tool_logins.login)
app.command()(tool_logins.logout)
Directories = Annotated[
    list[Path] | None,
    typer.Argument(metavar="[DIR]...", help="Folders; default: those the box follows."),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="Its key in mcp.json.")]


@app.command("add-link")
def add_link(
    link: Annotated[str, typer.Argument(metavar="URL", help="lmstudio://add_mcp?… or its page.")],
    directories: Directories = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Add the tool server of a link to mcp.json, after showing what it would start or reach.

    Exit code 0: added; 1: not wanted; 2: refused.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    server = read_link(link)
    roots = meant(home, directories)
    found = read_or_exit(printer, roots)
    if server.name in found.bundle.mcp_servers:
        hint = f"`lmctl set mcp/{server.name} …` changes it"
        raise Conflict(f"there is a tool server `{server.name}`", hint=hint)
    file, before, after = _with_server(found, roots[0], server)
    check_edit(printer, found, file, after)
    show_changes(printer, {file: (before, after)})
    if dry_run:
        return
    _confirm(printer, server, yes=yes)
    path = Path(file)
    if path.exists():
        replace_content(path, before, after)
    else:
        write_atomically(path, after, mode=0o644)
    printer.note(f"wrote {file}{what_follows(home, roots)}")


@app.command("link")
def link_of(
    server: Annotated[
        str,
        typer.Argument(
            metavar="NAME|JSON|-", help='A declared server, {"NAME": {…}}, or - to read that.'
        ),
    ],
    directories: Directories = None,
    web: Annotated[bool, typer.Option("--web", help="A page that opens the link.")] = False,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Print the link that adds a tool server elsewhere.

    Secrets of a declared one stay the references they are.
    """
    printer = Printer(output, quiet=quiet)
    if server == "-" or server.lstrip().startswith("{"):
        linked = one_entry(sys.stdin.read() if server == "-" else server)
    else:
        found = read_or_exit(printer, meant(home_of(), directories))
        linked = LinkedServer(server, _declared(printer, found, server))
    made = write_link(linked, web=web)
    printer.data({"name": linked.name, "link": made}, made)


@app.command()
def logs(name: Name) -> None:
    """Print what a hosted tool server wrote to standard error, and what became of it."""
    path = home_of().logs / f"mcp-{label_of(name)}.log"
    try:
        sys.stdout.write(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        hint = "`lmctl get mcp` lists what is hosted"
        raise NotFound(f"nothing was written of a tool server `{name}`", hint=hint) from None


@app.command()
def retry(name: Name, quiet: Quiet = False) -> None:
    """Connect to a tool server again now, whatever was in its way."""
    DaemonClient(home_of()).retry_tools(label_of(name))
    Printer(quiet=quiet).note(f"trying mcp/{name} again; `lmctl get mcp/{name}` tells how it is")


def _declared(printer: Printer, found: Folders, name: str) -> dict[str, Any]:
    """Return the entry as it is written."""
    declared = declared_as(printer, found, f"mcp/{name}")
    value: Any = declared.document.value
    for part in declared.start:
        value = value[part]
    return dict(value)


def _with_server(found: Folders, root: Path, server: LinkedServer) -> tuple[str, bytes, bytes]:
    """Return the mcp.json there is, or would be, what it holds, and what it is to hold."""
    file = next((each for each in sorted(found.files) if Path(each).name == _FILE), None)
    before = found.files[file] if file is not None else b""
    text = Text((before or _EMPTY).decode(), json=True)
    wrapped = not before.strip() or b'"mcpServers"' in before
    text.set((*(("mcpServers",) if wrapped else ()), server.name), server.entry)
    return file or str(root / _FILE), before, text.text.encode()


def _confirm(printer: Printer, server: LinkedServer, *, yes: bool) -> None:
    """Say what the server would do here, and ask; exits with 1 when it is not wanted."""
    printer.note(_effect(server))
    if yes:
        return
    if printer.machine or not interactive():
        raise Refused("nobody to ask", hint="pass --yes to add it")
    if not typer.confirm(f"Add `{server.name}`?", err=True):
        printer.note("nothing was changed")
        raise typer.Exit(1)


def _effect(server: LinkedServer) -> str:
    command, url = server.entry.get("command"), server.entry.get("url")
    if isinstance(command, str):
        arguments = server.entry.get("args")
        words = [command, *map(str, arguments)] if isinstance(arguments, list) else [command]
        return f"`{server.name}` starts a program on this machine: {' '.join(words)}"
    if isinstance(url, str):
        return f"`{server.name}` is asked at {url}: what models say to its tools goes there"
    raise BadRequest("the link's server has neither `command` nor `url`")
