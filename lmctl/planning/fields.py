"""What a field's schema knows, by the path an object's leaf has: its change class, its unit."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from lmctl.base.changes import ChangeClass
from lmctl.base.errors import NotFound
from lmctl.base.quantities import write_duration, write_size
from lmctl.manifests.envelope import QUANTITY
from lmctl.manifests.explain import explain
from lmctl.manifests.leaves import Leaf
from lmctl.manifests.schema_fields import SchemaField
from lmctl.manifests.settings_keys import by_key
from lmctl.planning.field_text import shown

HIDDEN: Final = "(hidden)"
_WRITTEN: Mapping[str, Callable[[Any], str]] = {"size": write_size, "duration": write_duration}


@cache
def change_class(kind: str, path: str) -> ChangeClass:
    """Return what it costs to change a field, by its path without `spec`."""
    if kind in ("Model", "Preset") and (setting := by_key(path.split(".", 2)[-1])):
        return ChangeClass(setting.change)
    found = _field(kind, path)
    return ChangeClass(found.change) if found else ChangeClass.HOT


def leaf_text(kind: str, leaf: Leaf) -> str:
    """Return a leaf as text; of what may be secret only that it is there."""
    return HIDDEN if leaf.secret and leaf.value else worded(kind, leaf.path, leaf.value)


def worded(kind: str, path: str, value: Any) -> str:
    """Return a value as its manifest would have it, empty for none: a duration as `1h`."""
    found = _field(kind, path)
    write = _WRITTEN.get(str(found.node.get(QUANTITY))) if found else None
    if write is not None and isinstance(value, int | float):
        return write(value)
    return shown(value, none="")


@cache
def _field(kind: str, path: str) -> SchemaField | None:
    """Return the field at a path, or the nearest above it that is known."""
    here = f"mcp.mcpServers.{path}" if kind == "McpServer" else f"{kind.lower()}.{path}"
    while "." in here:
        try:
            return explain(here)[0].field
        except NotFound:
            here = here.rpartition(".")[0]
    return None
