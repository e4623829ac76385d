"""Settings by the name a person uses -> where and how the file at hand spells them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lmctl.base.errors import BadRequest
from lmctl.manifests import suggest
from lmctl.manifests.edit_paths import Pick
from lmctl.manifests.settings_keys import Section, Setting, aliases, by_key, by_name, names

Path = tuple[str | int, ...]
_SECTIONS: Final = ("load", "operation")


def own_spelling(path: tuple[str | int | Pick, ...], values: Any) -> tuple[str | int | Pick, ...]:
    """Return the path of an Instance's setting by the name the file already has for it:
    `parallel` and `maxParallelPredictions` are one.
    """
    match path:
        case ("spec", ("load" | "operation") as section, str() as name):
            block = values.get("spec")
            given = block.get(section) if isinstance(block, Mapping) else None
            setting = by_name(name, Section(section))
            if setting is None or not isinstance(given, Mapping) or name in given:
                return path
            known = [
                setting.name,
                *(a for a, s in aliases(Section(section)).items() if s is setting),
            ]
            return ("spec", section, next((each for each in known if each in given), name))
    return path


def native_setting(
    kind: str, path: Sequence[str | int | Pick], value: Any, values: Any, *, remove: bool
) -> tuple[Path, Any] | None:
    """Return where a model.yaml or a preset keeps a setting, and its value as LM Studio writes it.

    None for a path that is about something else. Raises BadRequest for an unknown setting.
    """
    above: tuple[str, ...] = ("config",) if kind == "Model" else ()
    rest = tuple(path[1:]) if above and path[0] == "config" else tuple(path)
    if len(rest) < 2 or rest[0] not in _SECTIONS or rest[1] == "fields":
        return None
    section = Section(str(rest[0]))
    setting = _setting(".".join(str(each) for each in rest[1:]), section)
    above = (*above, str(section), "fields")
    fields = _at(values, above)
    index = _index(fields, setting.key)
    if remove:
        return (*above, index), None
    if index < len(fields):
        return _given(setting, (*above, index, "value"), value, fields[index].get("value"))
    return (*above, index), {"key": setting.key, "value": written(setting, value)}


def _given(setting: Setting, path: Path, value: Any, before: Any) -> tuple[Path, Any]:
    """Return where to write the value of a setting the file has: a checkbox keeps what it had."""
    if not setting.checkbox or not isinstance(before, Mapping):
        return path, value
    if value is None or value is False:
        return (*path, "checked"), False
    return path, written(setting, value)


def written(setting: Setting, value: Any) -> Any:
    """Return the value of a setting as LM Studio writes it: of a checkbox with whether it is on."""
    if not setting.checkbox or (isinstance(value, Mapping) and "checked" in value):
        return value
    if value is None or value is False:
        return {"checked": False}
    return {"checked": True, "value": value}


def _setting(name: str, section: Section) -> Setting:
    found = by_key(name) or by_name(name, section)
    if found is None:
        raise BadRequest(
            f"unknown setting `{section}.{name}`",
            hint=suggest.hint(name, names(section), what="settings"),
        )
    return found


def _at(values: Any, path: Sequence[str]) -> list[Any]:
    for part in path:
        values = values.get(part) if isinstance(values, Mapping) else None
    return values if isinstance(values, list) else []


def _index(fields: Sequence[Any], key: str) -> int:
    """Return the index of the field with this key, or the one behind the last."""
    keys = [each.get("key") if isinstance(each, Mapping) else None for each in fields]
    return keys.index(key) if key in keys else len(keys)
