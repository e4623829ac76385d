"""`explain`: what a field is for, what it may be, and what changing it costs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from lmctl.base.changes import ChangeClass
from lmctl.cli.effective import explain_effective
from lmctl.cli.options import OutputOption
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render import table
from lmctl.manifests import explain as explaining
from lmctl.manifests.explain import Explanation
from lmctl.manifests.schema_fields import SchemaField

_COSTS = {
    ChangeClass.HOT: "the next request has it",
    ChangeClass.RELOAD: "a new process of the same weights",
    ChangeClass.REPLACE: "a new process of other weights or another runtime",
    ChangeClass.SERVER_RESTART: "the process that listens is replaced",
    ChangeClass.IDENTITY: "it is another object then",
}


class FieldView(msgspec.Struct, rename="camel", omit_defaults=True):
    """One field as data."""

    kind: str
    path: str
    type: str
    description: str
    default: str = ""
    required: bool = False
    change: str = ""
    limits: dict[str, object] = {}
    fields: list["FieldView"] = []


def explain(
    what: Annotated[
        str,
        typer.Argument(
            metavar="KIND[.FIELD...]|KIND/NAME",
            help="A field, such as instance.load.contextLength, or an object.",
        ),
    ],
    directories: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Where the object is declared; default: followed."),
    ] = None,
    effective: Annotated[
        bool, typer.Option("--effective", help="What an object comes to, and who says so.")
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option("--preset", metavar="NAME", help="As for a request that names this preset."),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what a field means, or with --effective every value of an object: who gives it, and where.

    Exit code 0; 2: no such field or object.
    """
    if effective or "/" in what:
        explain_effective(what, directories, Printer(output), preset=preset)
        return
    found = explaining.explain(what)
    views = [_view(each) for each in found]
    Printer(output).data({"fields": views}, "\n\n".join(_text(each) for each in found))


def _view(each: Explanation) -> FieldView:
    below = [_field(each.kind, child) for child in each.below]
    if each.field is None:
        return FieldView(each.kind, "", "mapping", each.meaning, fields=below)
    view = _field(each.kind, each.field)
    view.fields = below
    return view


def _field(kind: str, field: SchemaField) -> FieldView:
    return FieldView(
        kind,
        field.path,
        _type(field),
        field.meaning,
        default=_default(field),
        required=field.required,
        change=field.change,
        limits=dict(field.limits),
    )


def _text(each: Explanation) -> str:
    lines = [f"KIND     {each.kind}"]
    if each.field is not None:
        lines += _facts(each.field)
    lines += ["", each.meaning]
    if each.below:
        above = each.below[0].path.rpartition(".")[0]
        lines += ["", f"FIELDS of {above or each.kind}", *_table(each.below)]
    return "\n".join(lines)


def _facts(field: SchemaField) -> list[str]:
    limits = "".join(f", {name} {value}" for name, value in field.limits.items())
    rows = [
        f"FIELD    {field.path}",
        f"TYPE     {field.type.replace('`', '')}{limits}",
        f"DEFAULT  {_default(field) or 'none: it is required'}",
        f"CHANGE   {field.change}: {_COSTS[ChangeClass(field.change)]}",
    ]
    examples = field.node.get("examples")
    return [*rows, f"FOR EXAMPLE  {', '.join(map(str, examples))}"] if examples else rows


def _table(fields: Sequence[SchemaField]) -> list[str]:
    rows = [
        (
            f"  {each.path.rpartition('.')[2]}",
            _type(each),
            "required" if each.required else each.change,
            each.meaning,
        )
        for each in fields
    ]
    return table(rows)


def _type(field: SchemaField) -> str:
    return field.type.replace("` `", " | ").replace("`", "")


def _default(field: SchemaField) -> str:
    """Return a default as it is written in a manifest; nothing for one that is required."""
    if field.required:
        return ""
    return "that of the fields below" if field.default == "below" else field.default.strip("`")
