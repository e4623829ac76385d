"""`history`: what was in force, when, and what became of it."""

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Annotated

import msgspec
import typer

from lmctl.adapters.git import commit_of
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.revisions import Revisions
from lmctl.adapters.state.generations import Generation, Generations
from lmctl.adapters.state.store import read_store
from lmctl.base.errors import NotFound
from lmctl.cli.options import OutputOption
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_history import render_generation, render_generations
from lmctl.cli.render_plan import render_plan
from lmctl.planning.plan_view import view_of_steps
from lmctl.planning.step_view import StepView
from lmctl.reconciler.history import History

app = typer.Typer(help="Generations: what was in force, when, and what became of it.")


@app.callback(invoke_without_command=True)
def history(
    context: typer.Context,
    output: OutputOption = Output.TEXT,
    limit: Annotated[int, typer.Option(min=1, help="Only so many, the newest.")] = 100,
) -> None:
    """Show the generations there were, oldest first."""
    if context.invoked_subcommand is not None:
        return
    printer = Printer(output)
    home = home_of()
    with known_history(home) as (known, generations):
        found = generations.all(limit=limit)
        kept = {each.number for each in found if known.keeps(each)}
    data = [_view(each, kept=each.number in kept) for each in found]
    printer.data({"generations": data}, render_generations(found, kept))
    hold = Pauses(home.root).hold()
    if hold is not None and not printer.machine:
        printer.note(str(hold))


@app.command()
def show(
    number: Annotated[int, typer.Argument(metavar="GENERATION")],
    output: OutputOption = Output.TEXT,
    file: Annotated[
        str | None, typer.Option("--file", metavar="PATH", help="Print this file as it was.")
    ] = None,
) -> None:
    """Show one generation: where it came from, its files and its plan."""
    printer = Printer(output)
    with known_history(home_of()) as (known, generations):
        found = known.get(number)
        if file is not None:
            _print_file(printer, number, known.files_of(found), file)
            return
        files = known.files(found.digest)
        steps = _steps(generations.plan(number))
    data = {
        **_view(found, kept=files is not None),
        "files": {path: len(content) for path, content in (files or {}).items()},
        "plan": steps,
    }
    printer.data(data, render_generation(found, files, _plan(steps)))


@contextmanager
def known_history(home: Home) -> Iterator[tuple[History, Generations]]:
    """Give the history of a box to read, whether a daemon runs or not.

    Raises NotFound when there is none yet.
    """
    with closing(read_store(home.database, clock=time.time)) as store:
        revisions = Revisions(home.revisions)
        known = History(store.generations, revisions, commit_of=commit_of, clock=time.time)
        yield known, store.generations


def _view(generation: Generation, *, kept: bool) -> dict[str, object]:
    plain = msgspec.to_builtins(generation)
    return {**plain, "seconds": generation.seconds, "kept": kept}


def _steps(plan: bytes) -> list[StepView]:
    return msgspec.json.decode(plan, type=list[StepView]) if plan else []


def _plan(steps: list[StepView]) -> str:
    """Return the objects of a plan, without totals: how much was stored and running is not known."""
    view = view_of_steps(steps, memory=0, disk=0)
    return render_plan(view).partition("\n\n")[0] if steps else ""


def _print_file(printer: Printer, number: int, files: Mapping[str, bytes], wanted: str) -> None:
    matches = [path for path in files if path == wanted or path.endswith(f"/{wanted}")]
    if len(matches) != 1:
        names = ", ".join(files) or "none is kept"
        raise NotFound(f"no one file `{wanted}` in generation {number}", hint=f"files: {names}")
    text = files[matches[0]].decode("utf-8", "replace")
    printer.data({"path": matches[0], "text": text}, text)
