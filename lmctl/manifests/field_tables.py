"""A Markdown table of every field of a kind, made from its JSON Schema, for the docs pages."""

from lmctl.manifests.schema import KINDS, schema
from lmctl.manifests.schema_fields import fields


def tables() -> dict[str, str]:
    """Return the table of every kind by its name."""
    return {name: table(name) for name in KINDS}


def table(name: str) -> str:
    """Return the table of one kind: field, type, default, what a change costs, description."""
    rows = ["| Field | Type | Default | Change | Meaning |", "|---|---|---|---|---|"]
    for each in fields(schema(name)):
        cells = (f"`{each.path}`", each.type, each.default, each.change, each.meaning)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"
