"""`chat`: talk to a model from the terminal, as clients do: through the gateway."""

import sys
from collections.abc import Iterator
from contextlib import closing
from enum import StrEnum
from typing import Annotated, Final

import typer

from lmctl.adapters.home import home_of
from lmctl.base.errors import LmctlError, NotFound
from lmctl.cli.chat_session import Interrupted, Session, Settings, piped
from lmctl.cli.choosing import pick
from lmctl.cli.gateway_client import GatewayClient, url_of
from lmctl.cli.options import Host, Quiet, interactive
from lmctl.cli.printer import Printer

HELP: Final = """\
/model [NAME]          goes on with another model; without a name lists them
/system-prompt [TEXT]  sets it from now on; without text takes it away
/preset [NAME]         takes a preset's settings from now on; without a name none
/reasoning LEVEL       off, on, low, medium, high; auto leaves it to the model
/stats                 shows counts below each answer, or no more
/clear                 begins a new conversation
/exit                  ends, as Ctrl-D does
Ctrl-C stops the answer. A line that ends with \\ goes on in the next."""


class Reasoning(StrEnum):
    """How much a model thinks before it answers."""

    AUTO = "auto"
    OFF = "off"
    ON = "on"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def chat(
    model: Annotated[
        str | None,
        typer.Argument(help="Model, instance or Route; default: what is loaded.", show_default=""),
    ] = None,
    prompt: Annotated[
        str | None, typer.Option("--prompt", "-p", help="Ask this, print the answer, end.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system-prompt", "-s", help="What the model is told first.")
    ] = None,
    reasoning: Annotated[
        Reasoning, typer.Option("--reasoning", help="How much it thinks.")
    ] = Reasoning.AUTO,
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="With the settings of this preset."),
    ] = None,
    tool: Annotated[
        list[str] | None,
        typer.Option("--tool", metavar="SERVER", help="Tools of this server of mcp.json too."),
    ] = None,
    stats: Annotated[bool, typer.Option("--stats", help="Counts below each answer.")] = False,
    host: Host = None,
    quiet: Quiet = False,
) -> None:
    """Chat with a model. The answer goes to stdout, everything else to stderr.

    Text that is piped in is asked at once, behind `--prompt`: `git diff | lmctl chat -p "Review:"`.
    """
    printer = Printer(quiet=quiet)
    given = "\n\n".join(each for each in (prompt, piped()) if each)
    if not given and not interactive():
        raise typer.BadParameter("nothing is asked: give --prompt, pipe text in, or use a terminal")
    with closing(GatewayClient(url_of(host, home_of()))) as client:
        settings = Settings(
            model or _choose(client, printer),
            system=system,
            reasoning=_level(reasoning),
            preset=preset,
            tools=tuple(each if "/" in each else f"mcp/{each}" for each in tool or ()),
            stats=stats,
        )
        session = Session(client, settings, out=sys.stdout, notes=printer.err)
        if given:
            _once(session, given)
        else:
            _talk(session, client, printer)


def _once(session: Session, text: str) -> None:
    try:
        session.ask(text)
    except Interrupted:
        raise typer.Exit(130) from None


def _talk(session: Session, client: GatewayClient, printer: Printer) -> None:
    printer.note(f"{session.settings.model} at {client.url}; /help says what can be done")
    for line in _lines():
        if line.startswith("/"):
            if not _command(line, session, client, printer):
                return
        elif line.strip():
            try:
                session.ask(line)
            except Interrupted:
                printer.note("stopped; this turn is forgotten")
            except LmctlError as problem:
                printer.error(str(problem), problem.hint)


def _lines() -> Iterator[str]:
    """Yield what is typed, with the line editing and the history that Python has."""
    import readline  # noqa: F401 # importing it changes what `input` does

    while True:
        try:
            line = input("> ")
            while line.endswith("\\"):
                line = line[:-1] + "\n" + input(". ")
        except KeyboardInterrupt:
            sys.stderr.write("\n")
            continue
        except EOFError:
            sys.stderr.write("\n")
            return
        yield line


def _command(line: str, session: Session, client: GatewayClient, printer: Printer) -> bool:
    """Do what a line with a slash says; return whether the conversation goes on."""
    name, _, rest = line.strip().partition(" ")
    settings, rest = session.settings, rest.strip()
    match name:
        case "/exit" | "/quit" | "/bye":
            return False
        case "/help":
            printer.problem(HELP)
        case "/clear":
            session.clear()
        case "/stats":
            settings.stats = not settings.stats
        case "/system-prompt":
            settings.system = rest
        case "/preset":
            settings.preset = rest or None
        case "/reasoning" if rest in set(Reasoning):
            settings.reasoning = _level(Reasoning(rest))
        case "/model" if rest:
            settings.model = rest
        case "/model":
            printer.problem(_listed(client))
        case _:
            printer.problem(f"no such command: {line.strip()}; /help lists them")
    return True


def _level(wanted: Reasoning) -> str | None:
    return None if wanted is Reasoning.AUTO else wanted.value


def _listed(client: GatewayClient) -> str:
    return "\n".join(
        f"{each.key}{'  loaded as ' + ', '.join(each.loaded) if each.loaded else ''}"
        for each in client.models()
    )


def _choose(client: GatewayClient, printer: Printer) -> str:
    """Return the model to chat with where none was named: the one that is loaded, or as chosen."""
    known = client.models()
    names = [name for each in known for name in each.loaded] or [each.key for each in known]
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotFound(
            "there is no language model to chat with", hint="`lmctl init` begins with one"
        )
    if not interactive():
        raise NotFound("which model?", hint=f"name one of: {', '.join(names)}")
    return pick(printer, names, "model")
