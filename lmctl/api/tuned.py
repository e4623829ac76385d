"""What a request of any dialect may say of its settings: some itself, others by a preset's name."""

from difflib import get_close_matches
from typing import Any, Final

from pydantic import BaseModel

from lmctl.base.errors import BadRequest
from lmctl.chat.effective import Effective, effective
from lmctl.planning.surface import ServedRoute, Surface

_MOST_TOLD: Final = 20


class TunedBody(BaseModel):
    """A body with settings."""

    preset: str | None = None
    custom_fields: dict[str, Any] | None = None

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        return {}

    def settings(self, surface: Surface, route: ServedRoute) -> Effective:
        """Return what it comes to at a route: its own words, then its preset, then the route's.

        Raises BadRequest when there is no preset of that name, or the model has no such custom field.
        """
        own = {**self.layer(), **_switched(self.custom_fields or {}, route)}
        return effective(own, self.named(surface), route.operation, fields=route.custom_fields)

    def named(self, surface: Surface) -> dict[str, Any]:
        """Return the settings of its preset, by full key. Raises BadRequest when there is none of
        that name.
        """
        if not self.preset:
            return {}
        found = surface.presets.get(self.preset)
        if found is None:
            raise BadRequest(
                f"no preset named `{self.preset}`",
                param="preset",
                code="preset_not_found",
                hint=_hint(self.preset, surface),
            )
        return found


def _switched(asked: dict[str, Any], route: ServedRoute) -> dict[str, Any]:
    """Return the values of custom fields by full key. Raises BadRequest naming what cannot be set."""
    known = {each.key: each for each in route.custom_fields}
    for key, value in asked.items():
        field, place = known.get(key), f"custom_fields.{key}"
        if field is None:
            names = f"known: {', '.join(known)}" if known else "it has none"
            raise BadRequest(
                f"`{place}`: `{route.model}` has no such custom field", param=place, hint=names
            )
        if not field.fits(value):
            raise BadRequest(f"`{place}`: expected {field.expectation}", param=place)
    return {known[key].settings[0]: value for key, value in asked.items()}


def _hint(asked: str, surface: Surface) -> str:
    if not surface.presets:
        return "this box has no presets: declare one as a `*.preset.json`"
    near = get_close_matches(asked, surface.presets, n=1)
    meant = f"did you mean `{near[0]}`? " if near else ""
    return f"{meant}known: {', '.join(sorted(surface.presets)[:_MOST_TOLD])}"
