"""A profile as a file: read with everything that is wrong with it, written so that it reads the same."""

from typing import Any, Final

import msgspec

from lmctl.base.diagnostics import Diagnostic
from lmctl.base.quantities import exact_size
from lmctl.manifests.envelope import API_VERSION
from lmctl.manifests.host_profile import KIND, read_profile
from lmctl.planning.host_profile import HostProfile

_SIZES: Final = ("total", "limit", "others", "swap", "free", "memory")


def read(file: str, content: bytes) -> HostProfile | tuple[Diagnostic, ...]:
    """Return the profile a file holds, or everything that is wrong with it."""
    reading = read_profile(file, content)
    if reading.file is None:
        return reading.diagnostics
    return msgspec.convert({"name": reading.file.name, **reading.file.plain_spec}, HostProfile)


def document(profile: HostProfile) -> dict[str, Any]:
    """Return a profile as its file says it; reading that gives the same profile again."""
    spec = msgspec.to_builtins(profile)
    name = spec.pop("name")
    for part in (spec["memory"], spec["disk"], *spec["gpus"]):
        part.update({key: exact_size(part[key]) for key in _SIZES if key in part})
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": {"name": name}, "spec": spec}
