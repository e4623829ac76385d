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

    def layer(self) -> dict[str, Any]:
        """Return what the request itself says about prediction, by full key."""
        return {}

    def settings(self, surface: Surface, route: ServedRoute) -> Effective:
        """Return what it comes to at a route: its own words, then its preset, then the route's.

        Raises BadRequest when there is no preset of that name.
        """
        return effective(self.layer(), self.named(surface), route.operation)

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


def _hint(asked: str, surface: Surface) -> str:
    if not surface.presets:
        return "this box has no presets: declare one as a `*.preset.json`"
    near = get_close_matches(asked, surface.presets, n=1)
    meant = f"did you mean `{near[0]}`? " if near else ""
    return f"{meant}known: {', '.join(sorted(surface.presets)[:_MOST_TOLD])}"
