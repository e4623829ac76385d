"""Settings of an instance's own that its engine does not act on, and why."""

from collections.abc import Iterator, Mapping
from typing import Final

from lmctl.base.spec import EngineName
from lmctl.manifests.mlx_support import OWN, PASSED_OVER
from lmctl.manifests.settings_keys import Section, by_key
from lmctl.planning.layers import Layer, Settings

_ENGINES: Final[dict[EngineName, tuple[str, Mapping[str, str]]]] = {
    "mlx": ("MLX", PASSED_OVER),
    "llama.cpp": ("llama.cpp", OWN),
}


def passed_over(
    engine: EngineName, given: Mapping[Section, Settings]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield where each stands in the spec of an Instance, and what to say of it.

    What a model.yaml gives is meant for every format, so it is no mistake.
    """
    if engine not in _ENGINES:
        return
    told, ignored = _ENGINES[engine]
    for section, settings in given.items():
        for key, each in settings.items():
            setting, why = by_key(key), ignored.get(key)
            if setting is None or why is None or each.layer is not Layer.INSTANCE:
                continue
            if each.value != setting.default:
                name = f"{section}.{setting.name}"
                yield tuple(name.split(".")), f"`{name}` has no effect with {told}: {why}"
