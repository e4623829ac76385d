"""`why`: the last decisions about one object, with what they were made from."""

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated

import msgspec
import typer

from lmctl.adapters.home import Home, home_of
from lmctl.adapters.state.events import Event
from lmctl.adapters.state.generations import Generation
from lmctl.adapters.state.journal import Action
from lmctl.adapters.state.store import Store, read_store
from lmctl.base.errors import NotFound, Refused
from lmctl.cli.chains import blocking_chain
from lmctl.cli.looking import current_status
from lmctl.cli.options import OutputOption
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_why import (
    action_line,
    edit_lines,
    event_line,
    render_why,
    work_lines,
)
from lmctl.cli.selecting import key_of, select
from lmctl.planning.plan_view import view_of_steps
from lmctl.planning.report import BoxStatus, ObjectView
from lmctl.planning.step_view import StepView
from lmctl.planning.work import Work, works

_LAST = 8  # actions and events: enough for two replacements


class Edit(msgspec.Struct, frozen=True):
    """The newest generation that meant work on the object, and that work as it was planned."""

    generation: Generation
    work: Work


class Why(msgspec.Struct, frozen=True):
    """All that explains one object. `chain` says what it waits for, empty when it waits for nothing;
    `work` is what the plan has for it now.
    """

    object: ObjectView
    chain: str
    suspended: str
    hold: str
    work: tuple[Work, ...]
    edit: Edit | None
    actions: tuple[Action, ...]
    events: tuple[Event, ...]


def why(
    key: Annotated[str, typer.Argument(metavar="KIND/NAME")],
    output: OutputOption = Output.TEXT,
) -> None:
    """Explain an object: how it is, what it waits for, which edit meant it, what was done about it."""
    printer = Printer(output)
    found = explanation(home_of(), key)
    printer.data(found, render_why(found.object, _sections(found)))


def explanation(home: Home, key: str) -> Why:
    """Return why an object is as it is. Raises NotFound when it is not declared."""
    status = current_status(home)
    if "/" not in key:
        raise NotFound(f"`{key}` is no object", hint="name one: KIND/NAME, as in `lmctl status`")
    (view,) = select(status.objects, key_of(key))
    try:
        with closing(read_store(home.database, clock=time.time)) as store:
            return _explain(status, view, store)
    except (NotFound, Refused):  # no memory, or of another version: what is now can still be told
        return _explain(status, view, None)


def _explain(status: BoxStatus, view: ObjectView, store: Store | None) -> Why:
    key = view.key
    suspended = status.suspended.get(key) or status.suspended.get("box", "")
    return Why(
        object=view,
        chain="" if view.ready else blocking_chain(status, key),
        suspended=suspended,
        hold=str(status.hold) if status.hold is not None else "",
        work=tuple(each for each in works(status.steps) if each.key == key),
        edit=next(_edits(store, key), None) if store else None,
        actions=tuple(store.journal.about(key, limit=_LAST)) if store else (),
        events=tuple(store.events.about(key, limit=_LAST)) if store else (),
    )


def _edits(store: Store, key: str) -> Iterator[Edit]:
    """Yield the generations that meant work on the object, the newest first."""
    for generation in reversed(store.generations.all()):
        plan = store.generations.plan(generation.number)
        steps = msgspec.json.decode(plan, type=list[StepView]) if plan else []
        for work in view_of_steps(steps, memory=0, disk=0).objects:
            if work.key == key:
                yield Edit(generation, work)


def _sections(found: Why) -> Iterator[tuple[str, list[str]]]:
    """Yield what there is to say, each with a heading."""
    yield "waits", [found.chain] if found.chain and found.work else []
    yield "suspended", [found.suspended] if found.suspended else []
    yield "held", [found.hold] if found.hold else []
    yield "to do", [line for each in found.work for line in work_lines(each)]
    if found.edit is not None:
        yield "last edit", edit_lines(found.edit.generation, found.edit.work)
    yield "last actions", [action_line(each) for each in found.actions]
    yield "last events", [event_line(each) for each in found.events]
