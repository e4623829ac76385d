"""What a download is of, and how long to hope for it."""

from dataclasses import dataclass
from typing import Final

from lmctl.adapters.weights.http_get import Address
from lmctl.base.addresses import bare_url
from lmctl.base.digests import digest

_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to hope, in seconds. `tries` without a new byte end a download, as do `all_tries`
    altogether; a server that asks for more than `longest_wait` is left for now.
    """

    connect: float = 5.0
    first_byte: float = 5.0
    stall: float = 15.0
    tries: int = 4
    all_tries: int = 200
    longest_wait: float = 15.0


@dataclass(frozen=True, slots=True)
class Lanes:
    """How a file travels side by side: at most `count` connections, each asking for a `piece` at a
    time, in bytes. Files with fewer than two pieces to go come over one.
    """

    count: int = 4
    piece: int = 16 * _MIB


@dataclass(frozen=True, slots=True)
class Wanted:
    """One file: where it is and what it must be, as far as that is known beforehand.

    Without `sha256`, `identity` must name the content (repository, commit, path), because a
    partial found under it is continued. `what` is how messages call the file.
    """

    address: Address
    what: str
    identity: str
    sha256: str | None = None
    git_sha1: str | None = None
    size: int | None = None

    @property
    def partial(self) -> str:
        """The name of its partial; equal contents from two places share one."""
        return f"sha256-{self.sha256}" if self.sha256 else f"from-{digest(self.identity)}"

    @property
    def origin(self) -> str:
        """A digest of where it is, without what may be secret of that."""
        return digest(bare_url(self.address.url))
