"""`load` and `unload`: beside what files declare, and told which file would declare it."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from lmctl.adapters.home import Home, home_of
from lmctl.base.errors import NotFound, Refused
from lmctl.base.quantities import format_duration
from lmctl.cli.choosing import choose_model, pick
from lmctl.cli.client import DaemonClient
from lmctl.cli.declaring import Declare, declare_or_offer
from lmctl.cli.following import follow_until
from lmctl.cli.options import Host, OutputOption, Quiet, Timeout, duration, interactive
from lmctl.cli.printer import Output, Printer, as_yaml
from lmctl.cli.stored_models import stored_models
from lmctl.cli.undeclaring import offer_to_rest
from lmctl.manifests.yaml_source import parse
from lmctl.planning.report import ObjectView

# What POST /api/v1/models/load takes of the settings of a load (contract 1.8).
_OVER_HTTP = {"contextLength": "context_length", "parallel": "parallel"}


def _gpu(text: str) -> str | float:
    if text in ("off", "max"):
        return text
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise typer.BadParameter("expected off, max or a number from 0 to 1")
    return share


def _settings(words: Sequence[str]) -> dict[str, Any]:
    """Return NAME=VALUE as an Instance has it; values are read as YAML."""
    found: dict[str, Any] = {}
    for word in words:
        name, equals, text = word.partition("=")
        reading = parse("value.yaml", text.encode())
        if not (name and equals) or reading.diagnostics or len(reading.documents) != 1:
            raise typer.BadParameter(f"`{word}` is not NAME=VALUE", param_hint="--set")
        *above, last = name.removeprefix("load.").split(".")
        inner = found
        for each in above:
            inner = inner.setdefault(each, {})
        inner[last] = reading.documents[0].value
    return found


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is to be loaded, in the words of the control API."""

    model: str
    identifier: str
    runtime: str
    load: dict[str, Any]
    ttl: float | None


def load(  # one parameter per option
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="A model's key, key@variant, or a part of it that fits one."
        ),
    ] = None,
    identifier: Annotated[
        str, typer.Option(help="Name clients use; the model's key if left out.")
    ] = "",
    context_length: Annotated[
        int | None, typer.Option("--context-length", "-c", min=1, help="In tokens.")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="Requests that are answered together.")
    ] = None,
    gpu: Annotated[
        Any, typer.Option(parser=_gpu, metavar="off|max|0-1", help="Share of it that GPUs hold.")
    ] = None,
    more: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any setting of an Instance's `load`, such as speculativeDraftModel=acme/small.",
        ),
    ] = None,
    runtime: Annotated[str, typer.Option(help="What runs it; default: by its format.")] = "",
    ttl: Annotated[
        float | None,
        typer.Option(
            parser=duration, metavar="DURATION", help="Unload it when it was idle for so long."
        ),
    ] = None,
    estimate_only: Annotated[
        bool, typer.Option("--estimate-only", help="Say what memory it takes; load nothing.")
    ] = False,
    declare: Declare = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Take the first model that fits; ask nothing.")
    ] = False,
    host: Host = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    timeout: Timeout = 900.0,
) -> None:
    """Load a model beside what files declare; no edit of them takes it down again.

    Exit code 0: it is loaded; 1: it stalled; 2: there is no such model, or what is declared stands
    in the way; 3: it does not fit (--estimate-only); 5: not in time.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    given: dict[str, Any] = {"contextLength": context_length, "parallel": parallel}
    given["gpu"] = {"ratio": gpu} if gpu is not None else None
    settings = {key: value for key, value in given.items() if value is not None}
    settings |= _settings(more or ())
    if host is not None:
        asked = _Asked(model or "", identifier, runtime, settings, ttl)
        _load_elsewhere(printer, home, host, asked)
        return
    known = [each.key for each in stored_models(home)]
    chosen = choose_model(printer, model, known, first=yes)
    asked = _Asked(chosen, identifier, runtime, settings, ttl)
    if estimate_only:
        from lmctl.cli.estimate_only import tell_estimate
        from lmctl.planning.loading import Wish

        tell_estimate(printer, home, Wish(chosen, identifier, runtime, settings, ttl))
        return
    answer = _load_here(printer, home, asked, timeout=timeout)
    if answer["new"]:
        wanted = False if yes and declare is None else declare
        declare_or_offer(printer, home, answer["manifest"], wanted=wanted)


def unload(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[NAME]", help="Its name, or the id clients use.", show_default=""),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Everything that was loaded by hand.")
    ] = False,
    host: Host = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Unload what was loaded by hand; the only one needs no name. What a file declares is unloaded
    by editing that file; on a terminal an edit is offered that has only requests load it.

    Exit code 0: it is gone; 2: there is no such thing, or a file declares it.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    if everything and name is not None:
        raise typer.BadParameter("give a NAME or --all, not both")
    if host is not None:
        _unload_elsewhere(printer, home, host, name)
        return
    with closing(DaemonClient(home)) as client:
        names = [name] if name is not None else _by_hand(printer, client, everything=everything)
        try:
            gone = [client.unload(each) for each in names]
        except Refused:  # a file declares it
            if offer_to_rest(printer, home, names[0]):
                return
            raise
    printer.data(gone if everything else gone[0], "")
    for each in gone:
        printer.note(f"unloaded instance/{each['name']}; clients knew it as {each['identifier']}")


def _load_here(printer: Printer, home: Home, asked: _Asked, *, timeout: float) -> dict[str, Any]:
    """Have it loaded and say what became of it; exits where it is not loaded in the end."""
    with closing(DaemonClient(home)) as client:
        answer = client.load(
            {
                "model": asked.model,
                "identifier": asked.identifier,
                "runtime": asked.runtime,
                "load": asked.load,
                "ttl": asked.ttl,
            }
        )
        wanted = [f"instance/{answer['name']}"]
        ended = follow_until(client, printer, timeout=timeout, wanted=wanted)
    if ended.code:
        raise typer.Exit(ended.code)
    _tell(printer, answer, asked.ttl)
    return answer


def _tell(printer: Printer, answer: dict[str, Any], ttl: float | None) -> None:
    name, known = f"instance/{answer['name']}", answer["identifier"]
    if not answer["new"]:
        printer.note(f"{name} is there already; clients know it as {known}")
        printer.data(answer, "")
        return
    until = f" until it is idle for {format_duration(ttl)}" if ttl is not None else ""
    printer.note(f"loaded {name}{until}; clients know it as {known}")
    printer.note("it belongs to you, not to the fleet; this would declare it:")
    printer.data(answer, as_yaml(answer["manifest"]))


def _load_elsewhere(printer: Printer, home: Home, host: str, asked: _Asked) -> None:
    from lmctl.cli.gateway_client import GatewayClient, url_of

    here = [word for word in ("identifier", "runtime", "ttl") if getattr(asked, word)]
    here += [word for word in asked.load if word not in _OVER_HTTP]
    if here or not asked.model:
        what = ", ".join(here) or "no model"
        raise typer.BadParameter(f"{what}: with --host give MODEL, --context-length, --parallel")
    body = {_OVER_HTTP[name]: value for name, value in asked.load.items()}
    with closing(GatewayClient(url_of(host, home))) as client:
        answer = client.load({"model": asked.model, "echo_load_config": True, **body})
    printer.note(f"loaded; clients know it as {answer['instance_id']}")
    printer.data(answer, "")


def _unload_elsewhere(printer: Printer, home: Home, host: str, name: str | None) -> None:
    from lmctl.cli.gateway_client import GatewayClient, url_of

    if name is None:
        raise typer.BadParameter("with --host name the one to unload: `lmctl ps --host` lists them")
    with closing(GatewayClient(url_of(host, home))) as client:
        gone = client.unload(name)
    printer.data({"identifier": gone}, "")
    printer.note(f"unloaded; clients knew it as {gone}")


def _by_hand(printer: Printer, client: DaemonClient, *, everything: bool) -> list[str]:
    """Return what to unload where none was named: all, the only one, or the one that is picked."""
    found = [each.name for each in client.status().objects if _is_by_hand(each)]
    if not found:
        raise NotFound("nothing was loaded by hand", hint="`lmctl ps` lists what is loaded")
    if everything or len(found) == 1:
        return found
    if printer.machine or not interactive():
        raise NotFound("which one?", hint=f"name one of: {', '.join(found)}; or --all")
    return [pick(printer, found, "instance")]


def _is_by_hand(view: ObjectView) -> bool:
    return view.kind == "instance" and view.facts.get("owner") in ("manual", "jit")
