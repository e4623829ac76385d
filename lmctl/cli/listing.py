"""`ls`: the models whose weights are here; no daemon need run."""

from contextlib import closing
from typing import Annotated

import typer

from lmctl.adapters.home import home_of
from lmctl.base.errors import NotFound
from lmctl.cli.options import Host, OutputOption
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_models import (
    Listed,
    base_of,
    by_model,
    listed,
    listed_elsewhere,
    render_models,
    with_variants,
)
from lmctl.cli.stored_models import stored_models


def ls(
    model: Annotated[
        str | None, typer.Argument(help="Only this model, with all its variants.", show_default="")
    ] = None,
    llm: Annotated[bool, typer.Option("--llm", help="Only language models.")] = False,
    embedding: Annotated[bool, typer.Option("--embedding", help="Only embedding models.")] = False,
    variants: Annotated[
        bool, typer.Option("--variants", help="As data: one entry per model, with its variants.")
    ] = False,
    host: Host = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """List the models whose weights are here, and what they are loaded as.

    The declared ones and those somebody put into the models folder.
    """
    if model is not None and variants:
        raise typer.BadParameter("a MODEL is listed with its variants anyway; leave one out")
    kinds = {kind for kind, wanted in (("llm", llm), ("embedding", embedding)) if wanted}
    known = _known(host)
    shown = with_variants([each for each in known if not kinds or each.type in kinds])
    if model is not None:
        shown = [each for each in shown if model in (each.model_key, base_of(each))]
        if not shown:
            raise NotFound(f"there are no weights of {model!r} here", hint=_hint(known))
    Printer(output).data(by_model(shown) if variants else shown, render_models(shown))


def _known(host: str | None) -> list[Listed]:
    if host is None:
        return [listed(each) for each in stored_models(home_of())]
    from lmctl.cli.gateway_client import GatewayClient, url_of

    with closing(GatewayClient(url_of(host, home_of()))) as client:
        return [listed_elsewhere(each) for each in client.listing()]


def _hint(known: list[Listed]) -> str:
    names = ", ".join(each.model_key for each in known)
    return f"here are: {names}" if names else "`lmctl apply DIR` fetches what is declared"
