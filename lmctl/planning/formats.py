"""What weights are written in, as far as their manifest says, and so which runtime loads them."""

from collections.abc import Iterator
from typing import Final, Literal

from lmctl.base.spec import EngineName
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.instance import Instance
from lmctl.manifests.runtime import DEFAULT
from lmctl.planning.gguf_names import is_gguf
from lmctl.planning.mlx_names import says_mlx
from lmctl.planning.weights_values import FileSource, HubSource, Source, Weights

Format = Literal["gguf", "mlx", ""]

_TENSORS: Final = ".safetensors"
LOADS: Final[dict[EngineName, Format]] = {"llama.cpp": "gguf", "mlx": "mlx"}
"""What each engine loads, where that is one format."""


def format_of(bundle: Bundle, weights: Weights) -> Format:
    """Return it, empty where nothing says.

    What is locked says it, then the names of files, then `compatibilityTypes` of the model, then a
    repository or folder that calls itself MLX.
    """
    pinned = [file.path for each in weights.pinned for file in each.files]
    for names in (pinned, [_file_of(each) for each in weights.sources]):
        if any(name.endswith(_TENSORS) for name in names):
            return "mlx"
        if any(map(is_gguf, names)):
            return "gguf"
    declared = set(_declared(bundle, weights.model))
    if declared & {"safetensors", "gguf"}:
        return "gguf" if "gguf" in declared else "mlx"
    return "mlx" if any(says_mlx(_place_of(each)) for each in weights.sources) else ""


def runtime_for(bundle: Bundle, instance: Instance, weights: Weights | None) -> str:
    """Return the runtime an instance names, else the one for the format of its weights."""
    if instance.spec.runtime is not None:
        return instance.spec.runtime
    if weights is not None and format_of(bundle, weights) == "mlx":
        return "mlx"
    return bundle.server.spec.defaults.runtime or DEFAULT


def _declared(bundle: Bundle, model: str) -> Iterator[str]:
    """Yield the formats a model says it has, or its nearest parent that says so."""
    chain = bundle.resolve_base(model).chain if model in bundle.models else ()
    for name in chain:
        if found := bundle.models[name].metadata_overrides.compatibility_types:
            yield from found
            return


def _file_of(source: Source) -> str:
    match source:
        case HubSource():
            return source.file or ""
        case FileSource():
            return source.path
        case _:
            return source.name


def _place_of(source: Source) -> str:
    match source:
        case HubSource():
            return f"{source.user}/{source.repo}"
        case FileSource():
            return source.path.rstrip("/").rpartition("/")[2]
        case _:
            return ""
