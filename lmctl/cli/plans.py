"""Plans as files, and `show`: written, read back, and judged against the box as it is now."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.machine import host_id
from lmctl.adapters.plan_files import read_plan
from lmctl.adapters.state.store import open_store, read_store
from lmctl.base.digests import short
from lmctl.base.errors import LmctlError, NotFound
from lmctl.cli.options import OutputOption
from lmctl.cli.printer import Output, PlanOutput
from lmctl.cli.proposing import ALL, Aim, Proposal, propose_reading
from lmctl.cli.telling import Teller
from lmctl.daemon.exact import Scribe
from lmctl.daemon.wiring import eyes
from lmctl.planning.plan_file import PlanFile, Proposed
from lmctl.planning.report import problem_of
from lmctl.reconciler.reading import LastGood, read_guarded


class Standing(msgspec.Struct, frozen=True, rename="camel"):
    """Whether a plan may still be applied, and if not, what moved."""

    state: Literal["applicable", "stale", "consumed"]
    moved: tuple[str, ...] = ()


class ShownPlan(msgspec.Struct, frozen=True, rename="camel"):
    """A plan and how it stands."""

    standing: Standing
    plan: PlanFile


@contextmanager
def scribe_of(home: Home) -> Iterator[Scribe]:
    """Give what writes plans for a home; a home without a database gets one.

    Raises Refused when it is damaged, or of another version.
    """
    if not home.database.exists():
        home.prepare()
        open_store(home.database, clock=time.time).close()
    with closing(read_store(home.database, clock=time.time)) as store:
        yield Scribe(home, store)


def write_down(home: Home, proposal: Proposal, aim: Aim = ALL) -> PlanFile:
    """Return a proposal as a plan that can be applied exactly."""
    warnings = tuple(problem_of(each) for each in proposal.reading.problems)
    proposed = Proposed(proposal.plan, proposal.observed, proposal.view, warnings)
    with scribe_of(home) as scribe:
        digest = proposal.reading.bundle.digest
        return scribe.write(
            proposed, proposal.roots, digest, only=aim.only, allow_prune=aim.allow_prune
        )


def standing(home: Home, file: PlanFile) -> Standing:
    """Return whether a plan may be applied to the box as it is now; changes nothing."""
    if file.host_id != host_id():
        return Standing("stale", ("it was made on another host",))
    try:
        with closing(read_store(home.database, clock=time.time)) as store:
            scribe = Scribe(home, store)
            now = _now(home, scribe, file)
            moved = scribe.moved(file, now)
            state: Literal["applicable", "stale", "consumed"] = "stale" if moved else "applicable"
            return Standing("consumed" if store.plans.consumed(file.id) else state, moved)
    except NotFound:
        return Standing("stale", ("it was made for another home: this one has no history",))


def _now(home: Home, scribe: Scribe, file: PlanFile) -> PlanFile:
    """Return the plan that would be made now of the same folders."""
    see = eyes(home, clock=time.time)
    roots = [Path(each) for each in file.revision.roots]
    teller = Teller(PlanOutput.TEXT, quiet=True)
    host = see.host()
    before = LastGood(home.last_good).read(host)
    reading = read_guarded(roots, host, before, allowed=file.allow_prune)
    aim = Aim(file.only, allow_prune=file.allow_prune)
    proposal = propose_reading(teller, see, reading, roots, aim=aim)
    proposed = Proposed(proposal.plan, proposal.observed, proposal.view)
    digest = proposal.reading.bundle.digest
    return scribe.write(
        proposed, file.revision.roots, digest, only=file.only, allow_prune=file.allow_prune
    )


def show(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A plan written by `plan --out`.")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Show a written plan, and whether it may still be applied. Changes nothing.

    Exit code 0; 2: it is no plan.
    """
    file = read_plan(path)
    home = home_of()
    try:
        found = standing(home, file)
    except (LmctlError, typer.Exit) as problem:  # what is written can be shown whatever happened
        found = Standing("stale", (str(problem) or "the manifests it was made from are broken",))
    teller = Teller(PlanOutput(output.value))
    if teller.printer.machine:
        teller.printer.data(ShownPlan(found, file), "")
        return
    teller.printer.data(None, "\n".join(_headlines(file, found)))
    teller.plan(file.view)


def _headlines(file: PlanFile, found: Standing) -> Iterator[str]:
    yield f"plan {short(file.id)} of {file.created_at}, by lmctl {file.lmctl_version}"
    git = file.revision.git
    commit = f", commit {short(git.commit)}{' with changes' if git.dirty else ''}" if git else ""
    yield f"made from {', '.join(file.revision.roots)}{commit}"
    if file.only:
        yield f"only {', '.join(file.only)}"
    yield f"{found.state}{':' if found.moved else ''}"
    yield from (f"  {each}" for each in found.moved)
    yield ""
