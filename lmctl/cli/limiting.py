"""`--only`: the objects a plan is limited to."""

from collections.abc import Sequence
from typing import Annotated

import typer

from lmctl.base.errors import NotFound
from lmctl.cli.proposing import Proposal
from lmctl.cli.selecting import key_of

Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="KIND/NAME", help="Only this object and what it needs."),
]


def only_keys(only: Sequence[str] | None) -> tuple[str, ...]:
    """Return object keys as plans have them: `instance/chat`, `server/gateway`."""
    keys = (key_of(each) for each in only or ())
    return tuple(dict.fromkeys("server/gateway" if each == "server" else each for each in keys))


def check_known(proposal: Proposal, only: Sequence[str]) -> None:
    """Raise NotFound for an object that is neither declared nor has anything to be done about."""
    known = {*proposal.in_place, *proposal.desired.places, *(e.key for e in proposal.view.objects)}
    for each in only:
        if each not in known:
            raise NotFound(f"no `{each}` is declared", hint=f"there is: {', '.join(sorted(known))}")
