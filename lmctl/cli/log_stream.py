"""`log stream`: what models are given and answer, and what gateway, runners and daemon log."""

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from lmctl.adapters import runner_client
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.known_models import read_known_models
from lmctl.adapters.log_tail import Tail
from lmctl.adapters.runner_folders import RunnerFolder, all_folders
from lmctl.base.errors import EngineFailed, Unreachable
from lmctl.base.spec import RunnerSpec
from lmctl.cli.options import OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_log import (
    Found,
    event,
    log_line,
    prediction,
    render_logged,
    runtime_line,
)
from lmctl.runner import wire

app = typer.Typer(no_args_is_help=True, help="Follow what happens here.")
_TICK: Final = 0.2  # seconds between two looks at files and for new runners


class Source(StrEnum):
    """Whose words are followed."""

    MODEL = "model"
    SERVER = "server"
    RUNTIME = "runtime"
    DAEMON = "daemon"


@app.callback()
def log() -> None:
    """Follow what happens here."""


@app.command()
def stream(
    source: Annotated[
        list[Source] | None,
        typer.Option("--source", "-s", help="Whose; may be repeated. Default: model."),
    ] = None,
    only: Annotated[
        str, typer.Option("--filter", metavar="input,output", help="Of models: only these.")
    ] = "input,output",
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Only of this identifier, key or instance.")
    ] = None,
    stats: Annotated[
        bool, typer.Option("--stats", help="Below each output: tokens per second and counts.")
    ] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="Begin with the last lines of the logs.")
    ] = 0,
    output: OutputOption = Output.TEXT,
    quiet: Quiet = False,
) -> None:
    """Follow what models are given and answer, or what gateway, runners or daemon log.

    Prompts are told as the model reads them. They are told to whoever follows and written down
    nowhere. `--json` prints an event per line in the field names of `lms log stream --json`.
    """
    printer, sources = Printer(output, quiet=quiet), set(source or [Source.MODEL])
    kinds = {each.strip() for each in only.split(",")}
    if not kinds or not kinds <= {"input", "output"}:
        raise typer.BadParameter("expected input, output or both", param_hint="--filter")
    home = home_of()
    streaming = _Streaming(home, printer, kinds=kinds, model=model, stats=stats)
    asyncio.run(streaming.run(sources, lines))


@dataclass(frozen=True, slots=True)
class _Streaming:
    """Follows the runners and logs of one home."""

    home: Home
    printer: Printer
    kinds: set[str]
    model: str | None
    stats: bool

    async def run(self, sources: set[Source], lines: int) -> None:
        """Tell until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            if Source.MODEL in sources:
                group.create_task(self._models(group))
            if Source.RUNTIME in sources:
                group.create_task(self._runtimes(lines))
            for each in (Source.SERVER, Source.DAEMON):
                if each in sources:
                    group.create_task(self._log(each, lines))

    async def _models(self, group: asyncio.TaskGroup) -> None:
        """Follow every runner there is, also those that come later."""
        followed: dict[str, asyncio.Task[None]] = {}
        while True:
            for spec in self._specs().values():
                if spec.uid not in followed or followed[spec.uid].done():
                    followed[spec.uid] = group.create_task(self._model(spec))
            await asyncio.sleep(_TICK)

    async def _model(self, spec: RunnerSpec) -> None:
        try:
            async with aclosing(runner_client.follow(spec.socket)) as telling:
                async for told in telling:
                    self._predicted(told, spec)
        except (Unreachable, EngineFailed):
            return  # it does not listen yet, or is gone: looked for again with the next tick

    def _predicted(self, told: wire.Admitted | wire.Given | wire.Made, spec: RunnerSpec) -> None:
        if isinstance(told, wire.Admitted):
            self.printer.note(f"following {spec.name}")
            return
        if ("input" if isinstance(told, wire.Given) else "output") in self.kinds:
            self._tell(prediction(told, spec, self._known(spec), stats=self.stats))

    async def _runtimes(self, lines: int) -> None:
        """Follow the log of every runner; one that comes later is read from its begin."""
        tails: dict[str, Tail] = {}
        first = True
        while True:
            for folder, spec in self._specs_in_folders():
                path = self.home.logs / f"runner-{spec.name}.log"
                if spec.name not in tails:
                    tails[spec.name] = Tail(path, lines=lines if first else 1_000)
                who = folder.process()
                pid, known = who.pid if who else None, self._known(spec)
                self._tail(tails[spec.name], lambda line: runtime_line(line, spec, pid, known))  # noqa: B023 # called at once
            first = False
            await asyncio.sleep(_TICK)

    async def _log(self, source: Source, lines: int) -> None:
        name = "gateway.log" if source is Source.SERVER else "daemon.log"
        tail = Tail(self.home.logs / name, lines=lines)
        while True:
            self._tail(tail, lambda line: log_line(source.value, line))
            await asyncio.sleep(_TICK)

    def _tail(self, tail: Tail, read: Callable[[str], dict[str, Any]]) -> None:
        for line in tail.new():
            self._tell(read(line))

    def _tell(self, data: dict[str, Any]) -> None:
        told = event(data, time.time())
        self.printer.item(told, render_logged(told))

    def _specs(self) -> dict[str, RunnerSpec]:
        return {spec.uid: spec for _, spec in self._specs_in_folders()}

    def _specs_in_folders(self) -> list[tuple[RunnerFolder, RunnerSpec]]:
        pairs = [(each, each.spec()) for each in all_folders(self.home.runners)]
        return [(each, spec) for each, spec in pairs if spec is not None and self._meant(spec)]

    def _meant(self, spec: RunnerSpec) -> bool:
        if self.model is None or self.model in (spec.name, spec.model):
            return True
        known = self._known(spec)
        return known is not None and self.model == known[1].identifier

    def _known(self, spec: RunnerSpec) -> Found:
        return read_known_models(self.home.run).instance(spec.name)
