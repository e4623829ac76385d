"""An object as its single values, each with its path as people write it, and where it stands."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lmctl.manifests.envelope import plain
from lmctl.manifests.reading import ENVELOPES, Declared, Value
from lmctl.manifests.settings_keys import ALIASES, Section, by_key
from lmctl.manifests.yaml_build import Path

# What stands under these names in mcp.json is often a secret; that it changed is told, not what.
_SECRET_MAPS: Final = ("env", "headers")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value. `given`: the file says it, rather than leaving it to its default; `place` is
    `file:line` of it or of its nearest parent there. A `secret` one is not to be shown.
    """

    path: str
    value: Any
    given: bool
    place: str
    secret: bool = False


def leaves(kind: str, value: Value, declared: Declared | None = None) -> Iterator[Leaf]:
    """Yield every value of an object, defaults too; identity and envelope are not among them.

    Without a declaration nothing is given and nothing stands anywhere.
    """
    whole, start = plain(value), Path()
    if kind in ENVELOPES:
        whole, start = whole["spec"], ("spec",)
    yield from _Walk(declared).below(start, "", whole)


class _Walk:
    def __init__(self, declared: Declared | None) -> None:
        self._declared = declared

    def below(self, raw: Path, path: str, value: Any) -> Iterator[Leaf]:
        match value:
            case Mapping() if _is_settings(value):
                yield from self._block(raw, path, value)
            case Mapping() if value:
                for name, each in value.items():
                    yield from self.below((*raw, name), _join(path, name), each)
            case [Mapping(), *_] if "key" in value[0] and "value" in value[0]:
                for index, each in enumerate(value):
                    name = _join(path.removesuffix(".fields"), each["key"])
                    yield self._leaf((*raw, index), name, each["value"])
            case [Mapping(), *_]:
                for index, each in enumerate(value):
                    yield from self.below((*raw, index), f"{path}[{index}]", each)
            case _:
                yield self._leaf(raw, path, value)

    def _block(self, raw: Path, path: str, value: Mapping[str, Any]) -> Iterator[Leaf]:
        """Yield settings by the names an Instance has for them; their values are one each."""
        for key, each in value.items():
            setting = by_key(key)
            name = setting.name if setting else key
            yield self._leaf(self._written(raw, name), _join(path, name), each)

    def _written(self, raw: Path, name: str) -> Path:
        """Return the path of a setting in the file, which may use its short name."""
        short = (each for each, full in ALIASES.get(Section.LOAD, {}).items() if full == name)
        paths = [(*raw, *each.split(".")) for each in (name, *short)]
        given = (each for each in paths if self._declared and self._declared.given(each))
        return next(given, paths[0])

    def _leaf(self, raw: Path, path: str, value: Any) -> Leaf:
        secret = any(part in _SECRET_MAPS for part in raw[:-1])
        if self._declared is None:
            return Leaf(path, value, given=False, place="", secret=secret)
        place = self._declared.place(raw).at
        return Leaf(path, value, given=self._declared.given(raw), place=place, secret=secret)


def _is_settings(value: Mapping[str, Any]) -> bool:
    return bool(value) and any(by_key(key) is not None for key in value)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
