"""`runtime`: builds of engines: which there are, what they see, and which are declared."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from lmctl.actuators.runtimes import RuntimeActuator
from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.runtimes.surveying import Hardware, survey
from lmctl.base.errors import LmctlError
from lmctl.base.quantities import format_size
from lmctl.cli import runtime_edits
from lmctl.cli.folders import read
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import table
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.runtime import BUNDLED, DEFAULT
from lmctl.planning.choosing_runtimes import wanted_runtimes
from lmctl.planning.formats import LOADS
from lmctl.planning.observed import SeenRuntime
from lmctl.planning.wanted_runtimes import WantedRuntime

app = typer.Typer(
    name="runtime",
    help="Builds of engines: list, declare, choose, update, survey.",
    no_args_is_help=True,
    add_completion=False,
)
app.command()(runtime_edits.get)
app.command()(runtime_edits.select)
app.command()(runtime_edits.remove)
app.command()(runtime_edits.update)


_State = Literal["ready", "not tested", "not installed", "not declared"]


class RuntimeView(msgspec.Struct, rename="camel"):
    """A runtime: `ready` is one that passed its self-test here; `selected` runs its format where an
    Instance names none. `instances` name it. `size` in bytes on disk, 0 for what is bundled.
    """

    name: str
    engine: str
    package: str
    version: str
    formats: tuple[str, ...]
    state: _State
    selected: bool
    bundled: bool
    instances: tuple[str, ...] = ()
    size: int = 0


class SurveyView(msgspec.Struct, rename="camel", omit_defaults=True):
    """What a runtime sees of the hardware, or why it cannot be asked."""

    runtime: str
    engine: str
    hardware: Hardware | None = None
    problem: str = ""


@app.command()
def ls(output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """List the runtimes: bundled ones, declared ones, and what is installed and not declared.

    A star marks what runs a format where an Instance names no runtime. Needs no daemon.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    views = list(_views(home, _bundle(home)))
    rows = [("", "RUNTIME", "ENGINE", "PACKAGE", "FORMATS", "STATE", "SIZE", "INSTANCES")]
    rows += [
        (
            "*" if each.selected else "",
            each.name or "-",
            each.engine,
            f"{each.package} {each.version}".strip(),
            ", ".join(each.formats) or "-",
            each.state,
            format_size(each.size) if each.size else "-",
            ", ".join(each.instances) or "-",
        )
        for each in views
    ]
    printer.data({"runtimes": views}, "\n".join(table(rows)))


@app.command("survey")
def survey_hardware(
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
    _refresh: Annotated[
        bool, typer.Option("--refresh", help="Look again, as is always done here.")
    ] = False,
) -> None:
    """Ask every runtime that is here which devices it sees, each in a process of its own.

    Exit code 0: all were asked; 1: one could not be.
    """
    printer, home = Printer(output, quiet=quiet), home_of()
    from lmctl.daemon.wiring import eyes

    actuator = eyes(home, clock=time.time).runtimes
    wanted = wanted_runtimes(_bundle(home), BUNDLED)
    seen = actuator.seen(wanted)
    asked = [each for each in wanted if each.name in seen or each.name == DEFAULT]
    views = [_survey(each, actuator) for each in asked if each.engine != "echo"]
    printer.data({"survey": views}, "\n".join(line for each in views for line in _lines(each)))
    if any(each.problem for each in views):
        raise typer.Exit(1)


def _survey(runtime: WantedRuntime, actuator: RuntimeActuator) -> SurveyView:
    try:
        launch = actuator.launch_of(runtime.build)
        found = survey(runtime.engine, launch.python, asyncio.run(actuator.filled(launch)))
    except (LmctlError, OSError) as error:
        return SurveyView(runtime.name, runtime.engine, problem=str(error))
    return SurveyView(runtime.name, runtime.engine, found)


def _lines(view: SurveyView) -> Iterator[str]:
    if view.hardware is None:
        yield f"{view.runtime}: {view.problem}"
        return
    yield f"{view.runtime}: {' '.join(view.hardware.features) or view.engine}"
    for each in view.hardware.devices:
        memory = f", {format_size(each.memory)}, {format_size(each.free)} free"
        yield f"  {each.kind} {each.name}: {each.description}{memory if each.memory else ''}"


def _bundle(home: Home) -> Bundle:
    """Return what stands in the folders the box follows, as far as it is whole."""
    roots = [Path(each) for each in Followed(home.root / "roots.json").roots()]
    return read(roots).bundle if roots else Bundle()


def _views(home: Home, bundle: Bundle) -> Iterator[RuntimeView]:
    from lmctl.daemon.wiring import eyes

    actuator = eyes(home, clock=time.time).runtimes
    wanted = wanted_runtimes(bundle, BUNDLED)
    seen = actuator.seen(wanted)
    yield from (_view(each, bundle, seen.get(each.name), actuator) for each in wanted)
    known = {actuator.environments.folder_of(each.build) for each in wanted if each.build}
    for path, left in actuator.environments.all():
        if path not in known:
            yield RuntimeView(
                name="",
                engine="llama.cpp",
                package=left.package,
                version=left.version,
                formats=("gguf",),
                state="not declared",
                selected=False,
                bundled=False,
                size=left.size,
            )


def _view(
    runtime: WantedRuntime, bundle: Bundle, seen: SeenRuntime | None, actuator: RuntimeActuator
) -> RuntimeView:
    loads, build = LOADS.get(runtime.engine, ""), runtime.build
    default = bundle.server.spec.defaults.runtime or DEFAULT
    installed = actuator.environments.installed(build) if build else None
    there: _State = "not installed" if build and not installed else "not tested"
    return RuntimeView(
        name=runtime.name,
        engine=runtime.engine,
        package=build.package if build else "",
        version=build.version if build else seen.version if seen else "",
        formats=(loads,) if loads else (),
        state="ready" if seen else there,
        selected=runtime.name in (default, "mlx"),
        bundled=build is None,
        instances=tuple(
            sorted(e.name for e in bundle.instances.values() if e.spec.runtime == runtime.name)
        ),
        size=installed.size if installed else 0,
    )
