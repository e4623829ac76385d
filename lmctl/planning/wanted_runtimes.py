"""A build of an engine, as it should be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lmctl.base.digests import digest, short
from lmctl.base.spec import EngineName


@dataclass(frozen=True, slots=True)
class Build:
    """What a declared runtime is made of: a package at an exact version, the flags it is built with,
    and the variables of the processes that run it. `secrets` are the references those name as
    `${secret:NAME}`, as they are declared.
    """

    package: str
    version: str
    flags: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.package} {self.version}"

    @property
    def digest(self) -> str:
        """Return what is the same for builds that run alike."""
        return digest(self)


@dataclass(frozen=True, slots=True)
class WantedRuntime:
    """A build of an engine: the one lmctl came with where `build` is None, else one of its own."""

    name: str
    engine: EngineName
    build: Build | None = None

    @property
    def key(self) -> str:
        """Return its name, with its content where that can change."""
        return self.name if self.build is None else f"{self.name}@{short(self.build.digest)}"
