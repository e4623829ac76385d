"""A run folder as the daemon would keep it, for tests of the gateway."""

from pathlib import Path

import msgspec

from lmctl.planning.known_models import KnownModel, KnownModels
from lmctl.planning.surface import Health, InstanceHealth, ServedRoute, Surface


class Box:
    """Writes surface.json and health.json the way the daemon does: whole, and renamed into place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def socket(self, name: str = "chat") -> Path:
        return self.folder / f"{name}.sock"

    def route(
        self, name="chat", *, instance=None, model="acme/tiny", operation=None, on_demand=False
    ):
        instance = instance or name
        socket = str(self.socket(instance))
        return ServedRoute(name, instance, model, socket, "d1", operation or {}, on_demand)

    def serve(self, *routes: ServedRoute, **settings) -> None:
        self._write("surface.json", Surface(routes=routes, **settings))

    def health(self, **phases: str | tuple[str, str]) -> None:
        """Report instances by name: a phase, or a phase and a reason. All are resident."""
        pairs = {k: v if isinstance(v, tuple) else (v, None) for k, v in phases.items()}
        instances = tuple(InstanceHealth(name, *pair) for name, pair in pairs.items())
        self._write("health.json", Health(resident=tuple(phases), instances=instances))

    def models(self, *models: KnownModel) -> None:
        """Report the models there are."""
        self._write("models.json", KnownModels(models))

    def _write(self, name, value) -> None:
        fresh = self.folder / f"{name}.new"
        fresh.write_bytes(msgspec.json.encode(value))
        fresh.replace(self.folder / name)
