"""`estimate` and `facts`: what instances take, what a machine has, and whether one fits the other."""

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from lmctl.adapters.home import home_of
from lmctl.adapters.host import look
from lmctl.adapters.runner_folders import all_folders
from lmctl.base.errors import NotFound
from lmctl.base.spec import LoadSettings
from lmctl.cli.estimate_subjects import Asking, Changed, Subjects, last_followed
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer, as_yaml
from lmctl.cli.profiles import profile_of
from lmctl.cli.proposing import read as read_manifests
from lmctl.cli.render_estimate import render_outlook
from lmctl.daemon.wiring import eyes
from lmctl.manifests.report import render
from lmctl.planning.fit.budget import MODES, Mode
from lmctl.planning.fit.cache import BLOCKS
from lmctl.planning.fit.outlook import outlook
from lmctl.planning.host_profile_file import document
from lmctl.reconciler.reading import ReadResult

DOES_NOT_FIT = 3
_NOTHING = "nothing to estimate: no folder given, and this box follows none"


def _kv_type(text: str) -> str:
    if text not in BLOCKS:
        raise typer.BadParameter(f"expected one of {', '.join(BLOCKS)}")
    return text


def _mode(text: str) -> Mode:
    for each in MODES:
        if text == each:
            return each
    raise typer.BadParameter(f"expected one of {', '.join(MODES)}")


def facts(output: OutputOption = Output.YAML) -> None:
    """Write down what this machine has: a profile for `estimate --host-profile`.

    Exit code 0.
    """
    home = home_of()
    noted = (each.process() for each in all_folders(home.runners))
    profile = look(home.root, ours=[each.pid for each in noted if each is not None])
    said = document(profile)
    Printer(output).data(said, as_yaml(said))


def estimate(  # one parameter per option
    subject: Annotated[
        str | None,
        typer.Argument(
            metavar="[DIR | instance/NAME | FILE]",
            help="By default everything that was last followed.",
        ),
    ] = None,
    context_length: Annotated[
        int | None, typer.Option(min=1, help="As if `load.contextLength` were this.")
    ] = None,
    parallel: Annotated[
        int | None, typer.Option(min=1, help="As if `load.parallel` were this.")
    ] = None,
    kv_type: Annotated[
        str | None,
        typer.Option(
            parser=_kv_type, metavar="TYPE", help="As if keys and values were kept so, e.g. q8_0."
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="As if `load.physicalBatchSize` were this.")
    ] = None,
    unified: Annotated[
        bool | None,
        typer.Option(help="As if all requests shared one context, or each had its own."),
    ] = None,
    mmap: Annotated[bool | None, typer.Option(help="As if weights were mapped, or copied.")] = None,
    guardrails: Annotated[
        str | None,
        typer.Option(
            parser=_mode, metavar="MODE", help="As if the server's `guardrails.mode` were this."
        ),
    ] = None,
    host_profile: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For another machine: what `lmctl facts` wrote there."),
    ] = None,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Show how much memory instances take, before they are loaded, and whether that fits.

    Exit code 0: it fits; 2: there is no such thing, or manifests are broken; 3: it does not fit.
    """
    printer = Printer(output, quiet=quiet)
    changed = _changed(
        context_length=context_length,
        parallel=parallel,
        kv_key_type=kv_type,
        kv_value_type=kv_type,
        physical_batch_size=batch,
        unified_kv=unified,
        use_mmap=mmap,
    )
    elsewhere = profile_of(printer, host_profile) if host_profile else None
    found = _ask(printer, subject, Asking(eyes(home_of(), clock=time.time), elsewhere, changed))
    rules = found.guardrails
    if guardrails is not None:
        rules = msgspec.structs.replace(rules, mode=guardrails)
    result = outlook(
        found.estimates, found.weights, beside=found.beside, host=found.host, guardrails=rules
    )
    printer.data(result, render_outlook(result))
    if not result.fits:
        raise typer.Exit(DOES_NOT_FIT)


def _changed(**given: Any) -> Changed:
    changes = {name: each for name, each in given.items() if each is not None}

    def change(load: LoadSettings) -> LoadSettings:
        return msgspec.structs.replace(load, **changes)

    return change


def _ask(printer: Printer, subject: str | None, asking: Asking) -> Subjects:
    if subject is not None and subject.lower().endswith((".gguf", ".safetensors")):
        return asking.file(Path(subject).expanduser(), last_followed(asking.see))
    if subject is not None and not subject.startswith("instance/"):
        return asking.fleet(_read(printer, Path(subject), asking))
    last = last_followed(asking.see)
    if last is None:
        raise NotFound(_NOTHING, hint="name a folder of manifests or a GGUF file")
    if subject is None:
        return asking.fleet(last)
    return asking.instance(last, subject.removeprefix("instance/"))


def _read(printer: Printer, folder: Path, asking: Asking) -> ReadResult:
    result = read_manifests([folder], asking.see)
    if result.fatal:
        printer.problem(render(result.problems, result.files).rstrip("\n"))
        raise typer.Exit(2)
    return result
