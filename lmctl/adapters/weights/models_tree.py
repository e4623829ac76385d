"""The models folder people browse: `HOME/models/<publisher>/<model>/<file>`, as LM Studio lays it out.

What lmctl stored appears as relative links into the blobs. What a user put there by hand, real
files or links to elsewhere, is a model too; it is only ever read, never replaced or removed.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lmctl.adapters.weights.blobs import Blobs
from lmctl.base.errors import Refused
from lmctl.planning.gguf_names import (
    is_gguf,
    is_projector,
    pick,
    projector,
    quantization,
    split_stem,
)
from lmctl.planning.mlx_names import BESIDE, TEMPLATES, is_mlx, mlx_folder
from lmctl.planning.weights_values import FileSource, StoredWeights, Weights

_NO_NAME: Final = frozenset({"", ".", ".."})


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file a user put there; `size` in bytes, links followed."""

    path: Path
    size: int


@dataclass(frozen=True, slots=True)
class LocalModel:
    """One model of a user: the first file is what gets loaded, split parts and projector follow.

    `key` is `publisher/model`, with `@quantization` added when the folder holds several models.
    """

    key: str
    files: tuple[LocalFile, ...]


@dataclass(frozen=True, slots=True)
class LocalModels:
    """All models put there by hand, and what was passed over, in sentences."""

    models: tuple[LocalModel, ...]
    notes: tuple[str, ...]


class ModelsTree:
    """The models folder of one home."""

    def __init__(self, home: Path) -> None:
        self.root = home / "models"
        self._blobs = Blobs(home)

    def link(self, weights: Weights, stored: StoredWeights) -> int:
        """Put the missing links of stored weights in place; return how many were missing.

        Raises Refused when a file that is not ours stands in the way; it is left alone.
        """
        made = 0
        for path, target in self._places(weights.model, stored):
            if self._in_place(path, target, weights):
                continue
            if os.path.lexists(path) and not self._is_ours(path):
                raise Refused(
                    f"{path} is not a link of lmctl and stands where {weights.model} belongs",
                    hint="move it away, or give the model another name",
                )
            _put_link(path, target)
            made += 1
        return made

    def linked(self, weights: Weights, stored: StoredWeights) -> bool:
        """Whether every file of stored weights can be found in the folder."""
        return all(
            self._in_place(path, target, weights)
            for path, target in self._places(weights.model, stored)
        )

    def unlink(self, sha256: str) -> None:
        """Remove our links to a blob, and the folders that are empty then."""
        blob = self._blobs.path(sha256).absolute()
        for path in self.root.glob("*/*/*"):
            if self._is_ours(path) and _points_to(path) == blob:
                path.unlink(missing_ok=True)
                for folder in (path.parent, path.parent.parent):
                    with contextlib.suppress(OSError):  # not empty
                        folder.rmdir()

    def local_weights(self) -> dict[str, Weights]:
        """Return the models put there by hand as weights with a file source, by key."""
        return {
            each.key: Weights(each.key, (FileSource(str(each.files[0].path)),))
            for each in self.local_models().models
        }

    def local_models(self) -> LocalModels:
        """Look through the folder: two levels exactly, GGUF files and MLX folders that are not our links."""
        notes: list[str] = []
        models: list[LocalModel] = []
        for publisher in _folders(self.root, notes):
            for folder in _folders(publisher, notes):
                models += self._models_of(folder, notes)
        return LocalModels(tuple(models), tuple(notes))

    def _models_of(self, folder: Path, notes: list[str]) -> Iterator[LocalModel]:
        sizes = dict(self._own_files(folder, notes))
        for key, names in _sets(f"{folder.parent.name}/{folder.name}", sizes):
            if missing := [name for name in names if name not in sizes]:
                first = next(name for name in names if name in sizes)
                notes.append(f"{folder / first} is incomplete: {missing[0]} is missing")
                continue
            yield LocalModel(key, tuple(LocalFile(folder / n, sizes[n]) for n in names))

    def _own_files(self, folder: Path, notes: list[str]) -> Iterator[tuple[str, int]]:
        for path in _entries(folder, notes):
            if not _belongs(path.name) or self._is_ours(path):
                continue
            try:
                size = path.stat().st_size
            except OSError as error:
                notes.append(f"{path} cannot be followed: {(error.strerror or '').lower()}")
                continue
            if path.is_file():
                yield path.name, size

    def _places(self, model: str, stored: StoredWeights) -> Iterator[tuple[Path, Path]]:
        """Return each link and the blob it should lead to. Raises Refused on unusable names."""
        publisher, _, name = model.partition("@")[0].partition("/")
        for each in stored.files:
            pieces = (publisher, name, each.name)
            if any(piece in _NO_NAME or "/" in piece or "\0" in piece for piece in pieces):
                raise Refused(f"{'/'.join(pieces)!r} cannot be a path in the models folder")
            yield self.root.joinpath(*pieces), self._blobs.path(each.sha256)

    def _in_place(self, path: Path, target: Path, weights: Weights) -> bool:
        # Asked of every file every turn, so with strings: a Path for each step costs ten times more.
        with contextlib.suppress(OSError):  # no link
            named = os.path.join(os.path.dirname(path), os.readlink(path))  # noqa: PTH115, PTH118, PTH120
            if os.path.abspath(named) == os.path.abspath(target):  # noqa: PTH100
                return os.path.exists(target)  # noqa: PTH110
            if self._is_ours(path):
                return False
        # A model a user put here by hand is its own place.
        own = {Path(each.path).parent for each in weights.sources if isinstance(each, FileSource)}
        return path.parent in own and path.is_file()

    def _is_ours(self, path: Path) -> bool:
        blobs = (self._blobs.home / "blobs").absolute()
        return path.is_symlink() and _points_to(path).is_relative_to(blobs)


def _belongs(name: str) -> bool:
    """Say whether a file may be part of a model."""
    return is_gguf(name) or is_mlx(name) or name in (*BESIDE, *TEMPLATES)


def _sets(key: str, sizes: Mapping[str, int]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the models that the files of one folder make, by key: the files of each."""
    mains = [name for name in sizes if is_gguf(name) and not is_projector(name)]
    stems = {split_stem(name) for name in mains}
    if not stems and (names := mlx_folder(sizes)):
        yield key, names
    for stem in sorted(stems):
        first = min(name for name in mains if split_stem(name) == stem)
        variant = f"@{quantization(first) or stem}" if len(stems) > 1 else ""
        yield key + variant, (*pick(mains, first), *projector(sizes, first))


def _points_to(link: Path) -> Path:
    """Return what a link names, without following further links: it need not exist."""
    return Path(os.path.normpath(link.parent.absolute() / link.readlink()))


def _put_link(path: Path, target: Path) -> None:
    """Make or replace one of our links, in one step that a reader cannot see half done."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(target.absolute(), path.parent.absolute()))
    fresh.replace(path)


def _folders(parent: Path, notes: list[str]) -> Iterator[Path]:
    for path in _entries(parent, notes):
        try:
            if path.is_dir():
                yield path
            elif path.is_symlink() and not path.exists():
                notes.append(f"{path} leads nowhere")
        except OSError as error:  # a loop of links
            notes.append(f"{path} cannot be followed: {(error.strerror or '').lower()}")


def _entries(folder: Path, notes: list[str]) -> Sequence[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return ()  # nothing was put there yet
    except OSError as error:
        notes.append(f"{folder} cannot be read: {(error.strerror or '').lower()}")
        return ()
