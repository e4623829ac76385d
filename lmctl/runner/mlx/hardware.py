"""The device MLX computes on."""

from typing import Any

import mlx.core


def hardware() -> dict[str, Any]:
    """Return its device with its memory in bytes, 0 where MLX does not say."""
    kind = str(mlx.core.default_device().type).rpartition(".")[2]
    told = mlx.core.metal.device_info() if mlx.core.metal.is_available() else {}
    memory = int(told.get("max_recommended_working_set_size", 0))
    name = str(told.get("device_name", kind))
    device = {"name": name, "description": name, "kind": kind, "memory": memory, "free": memory}
    return {"features": [], "devices": [device]}
