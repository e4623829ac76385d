"""`ls`: the models whose weights are here, as the daemon wrote them down: none need run."""

from typing import Annotated

import typer

from lmctl.adapters.home import home_of
from lmctl.adapters.known_models import read_known_models
from lmctl.base.errors import NotFound
from lmctl.cli.options import OutputOption
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_models import listed, render_models
from lmctl.planning.known_models import KnownModel


def ls(
    model: Annotated[
        str | None, typer.Argument(help="Only this model, with all its variants.", show_default="")
    ] = None,
    llm: Annotated[bool, typer.Option("--llm", help="Only language models.")] = False,
    embedding: Annotated[bool, typer.Option("--embedding", help="Only embedding models.")] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the models whose weights are here, and what they are loaded as.

    The declared ones and those somebody put into the models folder.
    """
    kinds = {kind for kind, wanted in (("llm", llm), ("embedding", embedding)) if wanted}
    known = read_known_models(home_of().run).models
    found = [each for each in known if not kinds or each.type in kinds]
    if model is not None:
        found = [each for each in found if model in (each.key, each.key.partition("@")[0])]
        if not found:
            raise NotFound(f"there are no weights of {model!r} here", hint=_hint(known))
    shown = [listed(each) for each in found]
    Printer(output).data(shown, render_models(shown))


def _hint(known: tuple[KnownModel, ...]) -> str:
    names = ", ".join(each.key for each in known)
    return f"here are: {names}" if names else "`lmctl apply DIR` fetches what is declared"
