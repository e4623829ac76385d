"""One folder per runner: its spec, its process, its view of the weights, how it ended.

runners/NAME@DIGEST/spec.json      what it should run (base.spec.RunnerSpec)
                    process.json   pid and start time, written right after the start
                    weights/       links to the blobs under their published names
                    failure.json   why it could not load or was not proven
                    proven.json    the digest of the checks it passed
                    retired        it was ended to make room for its replacement
"""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.processes import Identity
from lmctl.base.spec import FailureKind, RunnerSpec

_T = TypeVar("_T")


class Failure(msgspec.Struct, frozen=True):
    """Why a runner could not load or was not proven."""

    kind: FailureKind
    reason: str


class RunnerFolder:
    """The folder of one runner; reading tolerates that it vanishes."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def spec_path(self) -> Path:
        return self.path / "spec.json"

    def create(self) -> None:
        """Make the folder afresh; nothing of an earlier runner stays."""
        self.remove()
        (self.path / "weights").mkdir(parents=True, mode=0o700)

    def link(self, name: str, blob: Path) -> Path:
        """Return a path by which a runner finds a blob under its published name."""
        link = self.path / "weights" / Path(name).name
        link.symlink_to(blob)
        return link

    def write(self, spec: RunnerSpec) -> None:
        write_atomically(self.spec_path, msgspec.json.encode(spec))

    def note_process(self, who: Identity) -> None:
        content = {"pid": who.pid, "started_at": who.started_at}
        write_atomically(self.path / "process.json", msgspec.json.encode(content))

    def spec(self) -> RunnerSpec | None:
        return _decode(self.spec_path, RunnerSpec)

    def process(self) -> Identity | None:
        return _decode(self.path / "process.json", Identity)

    def note_proven(self, checks: str) -> None:
        write_atomically(self.path / "proven.json", msgspec.json.encode(checks))

    def proven(self) -> str:
        return _decode(self.path / "proven.json", str) or ""

    def note_failure(self, failure: Failure) -> None:
        write_atomically(self.path / "failure.json", msgspec.json.encode(failure))

    def mark_retired(self) -> None:
        """Note, before it is ended, that a runner is ended on purpose and may be started again."""
        write_atomically(self.path / "retired", b"")

    def retire(self) -> None:
        """Keep the folder of a runner that was ended so."""
        self.mark_retired()
        (self.path / "process.json").unlink(missing_ok=True)

    def revive(self) -> None:
        """Take the mark of a retired runner away."""
        (self.path / "retired").unlink(missing_ok=True)

    @property
    def retired(self) -> bool:
        return (self.path / "retired").exists()

    @property
    def tried(self) -> bool:
        """Say whether a process was ever started for the spec, as far as anybody wrote down.

        A daemon that died in between leaves a spec that nothing was tried with.
        """
        notes = ("process.json", "failure.json", "retired")
        return any((self.path / each).exists() for each in notes)

    def rename(self, name: str) -> "RunnerFolder":
        """Give the runner's folder and spec another instance's name; return where it is now.

        The spec goes first: a folder is found by its spec, whatever it is called.
        """
        spec = self.spec()
        if spec is None:
            return self
        self.write(msgspec.structs.replace(spec, name=name))
        renamed = folder_of(self.path.parent, name, spec.spec_digest)
        if renamed.path != self.path:
            renamed.remove()
            self.path.replace(renamed.path)
        return renamed

    def failure(self) -> Failure | None:
        return _decode(self.path / "failure.json", Failure)

    def remove(self) -> None:
        spec = self.spec()
        if spec is not None:
            Path(spec.socket).unlink(missing_ok=True)
        shutil.rmtree(self.path, ignore_errors=True)


def folder_of(runners: Path, name: str, spec_digest: str) -> RunnerFolder:
    """Return the folder for a runner of an instance with that spec."""
    return RunnerFolder(runners / f"{name}@{spec_digest[:12]}")


def all_folders(runners: Path) -> Iterator[RunnerFolder]:
    """Yield the folders there are, in order of name."""
    if runners.is_dir():
        for path in sorted(runners.iterdir()):
            if "@" in path.name and path.is_dir():
                yield RunnerFolder(path)


def forgive_failures(runners: Path) -> None:
    """Forget what the runners that never came up were tried for, so that just that is tried again."""
    for folder in all_folders(runners):
        spec = folder.spec()
        if spec is not None and spec.attempt and folder.failure() and not folder.proven():
            folder.write(msgspec.structs.replace(spec, attempt=""))


def _decode(path: Path, kind: type[_T]) -> _T | None:
    content = read_if_there(path)
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError:
        return None
