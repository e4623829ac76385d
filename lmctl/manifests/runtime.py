"""`Runtime`: a build of an engine, pinned; the bundled ones exist without a file."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

from pydantic import Field

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

ExactVersion = Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.!+_-]*$")]


class RuntimeSpec(Node):
    """Which build of an engine to install, and how."""

    engine: Literal["llama.cpp"]
    """Engine it is a build of."""
    package: PackageName = "llama-cpp-python"
    """Python package that brings the engine."""
    version: ExactVersion
    """Exact version of the package; quote it."""
    build_flags: Items[NonEmpty] = ()
    """Flags for building it from source, such as `-DGGML_CUDA=on`; none takes a prebuilt one."""
    environment: Mapping[VariableName, str] = Field(default_factory=dict)
    """Environment variables of processes that run it."""


class Runtime(Envelope):
    """A build of an engine."""

    kind: Annotated[Literal["Runtime"], IDENTITY]
    """Kind of object."""
    spec: Annotated[RuntimeSpec, REPLACE]
    """What it should be."""
