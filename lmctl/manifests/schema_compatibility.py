"""What a new schema refuses that an old one took: the fields, words and types people already use."""

from collections.abc import Iterator, Mapping
from typing import Any

from lmctl.manifests.schema_fields import SchemaField, fields, types


def breaks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield, in words, everything a manifest may say by the old schema and not by the new one."""
    before = {each.path: each for each in fields(old)}
    after = {each.path: each for each in fields(new)}
    for path, each in before.items():
        if path in after:
            yield from _narrower(each, old, after[path], new)
        elif _parent(path) not in before or _parent(path) in after:
            yield f"`{path}` is gone"
    for path, each in after.items():
        known = _parent(path) in before or not _parent(path)
        if each.required and known and not (path in before and before[path].required):
            yield f"`{path}` is required now"


def _narrower(
    one: SchemaField, old: Mapping[str, Any], other: SchemaField, new: Mapping[str, Any]
) -> Iterator[str]:
    took = types(one.node, old.get("$defs", {}))
    takes = types(other.node, new.get("$defs", {}))
    if not takes:
        return
    lost = {each for each in took if not _covered(each, takes)}
    if not took or lost:
        yield f"`{one.path}` takes {', '.join(sorted(lost)) or 'any value'} no more"


def _covered(each: str, takes: frozenset[str]) -> bool:
    if each in takes or (each == "integer" and "number" in takes):
        return True
    return each.startswith('"') and "string" in takes


def _parent(path: str) -> str:
    """Return the path of the field this one stands below, without marks for items and forms."""
    above = path.rpartition(".")[0].removesuffix(".*")
    while above.endswith((")", "[]")):
        above = above.removesuffix("[]")
        above = above.rpartition("(")[0] if above.endswith(")") else above
    return above
