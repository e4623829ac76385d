"""`Runtime`: a build of an engine, pinned; the bundled ones exist without a file."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

from pydantic import Field, model_validator

from lmctl.base.spec import EngineName
from lmctl.manifests.envelope import IDENTITY, REPLACE, Envelope, Items, Node, NonEmpty
from lmctl.manifests.secret_ref import VariableName
from lmctl.manifests.sources import PackageName

BUNDLED: Final[Mapping[str, EngineName]] = {
    "llama.cpp": "llama.cpp",
    "mlx": "mlx",
    "echo": "echo",
}
DEFAULT: Final = "llama.cpp"
PREBUILT: Final = "xllamacpp"
"""The package whose llama.cpp is run through the bindings that lmctl came with."""

ExactVersion = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.!+_-]*$")]


class RuntimeSpec(Node):
    """Which build of an engine to install, and how."""

    engine: Literal["llama.cpp"]
    """Engine it is a build of."""
    package: PackageName = "llama-cpp-python"
    """Python package that brings the engine: `llama-cpp-python`, one that installs the same module, or `xllamacpp`, which comes prebuilt."""
    version: ExactVersion
    """Exact version of the package; quote it."""
    build_flags: Items[NonEmpty] = ()
    """CMake flags for building it from source here, such as `-DGGML_CUDA=on`; without any, a prebuilt one is taken where the index has it."""
    environment: Mapping[VariableName, str] = Field(default_factory=dict)
    """Environment variables of processes that run it."""

    @model_validator(mode="after")
    def _built_or_prebuilt(self) -> Self:
        if self.package == PREBUILT and self.build_flags:
            raise ValueError(f"`buildFlags` have no effect: {PREBUILT} is taken prebuilt")
        return self


class Runtime(Envelope):
    """A build of an engine."""

    kind: Annotated[Literal["Runtime"], IDENTITY]
    """Kind of object."""
    spec: Annotated[RuntimeSpec, REPLACE]
    """What it should be."""
