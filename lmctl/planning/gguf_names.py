"""What file names say: split sets, vision projectors, quantizations, and which files to take.

Names are all a repository shows before a download, and all a folder shows before a header is read.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final

from lmctl.planning.mlx_names import is_mlx, mlx_folder

_SPLIT: Final = re.compile(r"(?P<stem>.+)-(?P<part>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)

# Best use of memory first: Q4_K_M is what people run; then its neighbours in size, then larger
# ones (better, slower), then smaller ones (worse), then what is not quantized.
PREFERENCE: Final = (
    "Q4_K_M",
    "Q4_K_S",
    "IQ4_XS",
    "IQ4_NL",
    "Q4_0",
    "Q4_1",
    "Q5_K_M",
    "Q5_K_S",
    "Q5_0",
    "Q5_1",
    "Q6_K",
    "Q8_0",
    "Q3_K_L",
    "Q3_K_M",
    "Q3_K_S",
    "IQ3_M",
    "IQ3_XS",
    "IQ3_XXS",
    "Q2_K",
    "IQ2_M",
    "IQ2_XS",
    "IQ2_XXS",
    "IQ1_M",
    "IQ1_S",
    "MXFP4",
    "F16",
    "BF16",
    "F32",
)
# Projectors are small and suffer from quantization: half precision first.
_PROJECTORS: Final = ("F16", "BF16", "Q8_0", "F32")


def is_gguf(name: str) -> bool:
    """Whether the name ends as GGUF files do."""
    return name.lower().endswith(".gguf")


def is_projector(name: str) -> bool:
    """Whether the file is the vision part (`mmproj*.gguf`) that stands beside a model."""
    return is_gguf(name) and "mmproj" in base_name(name).lower()


def base_name(path: str) -> str:
    """Return the last piece of a path inside a repository or a wheel."""
    return path.rpartition("/")[2]


@lru_cache(maxsize=4_096)
def quantization(name: str) -> str | None:
    """Return the quantization a file name ends with (`Q4_K_M`), in upper case, or None."""
    upper = base_name(split_stem(name)).upper()
    found = [each for each in PREFERENCE if re.search(rf"(?<![A-Z0-9]){each}(?![A-Z0-9_])", upper)]
    return max(found, key=upper.rfind) if found else None


def split_stem(name: str) -> str:
    """Return the name without `-00001-of-000NN.gguf` or `.gguf`: equal for all files of a set."""
    if found := _SPLIT.fullmatch(name):
        return found["stem"]
    return name[: -len(".gguf")] if is_gguf(name) else name


def is_split(name: str) -> bool:
    """Whether the file is one of several of a set."""
    return len(split_set(name)) > 1


def split_set(name: str) -> tuple[str, ...]:
    """Return the names of all files of the set `name` belongs to, in order; itself if not split."""
    found = _SPLIT.fullmatch(name)
    if not found:
        return (name,)
    count = int(found["count"])
    suffix = name[-len(".gguf") :]
    return tuple(
        f"{found['stem']}-{part:05d}-of-{count:05d}{suffix}" for part in range(1, count + 1)
    )


def pick(names: Sequence[str], asked: str | None) -> tuple[str, ...]:
    """Return the files to take, main file first; empty when nothing fits.

    `asked` is an exact path or a glob; None asks for the best GGUF, else for an MLX folder. Among
    several models the one earliest in PREFERENCE is taken, ties by name. A split set comes whole
    (missing parts are named too, so that the caller notices), a projector of the same folder comes
    along, and so does what belongs to an MLX folder.
    """
    matching = _matching(names, asked)
    models = [name for name in matching if is_gguf(name) and not is_projector(name)]
    if not models:
        weights = [name for name in matching if is_mlx(name)]
        mlx = mlx_folder(names, weights) if weights or asked is None else ()
        return mlx or (tuple(sorted(matching)) if asked else ())
    best = min(models, key=lambda name: (_rank(name, PREFERENCE), name))
    return (*split_set(best), *projector(names, best))


def _matching(names: Iterable[str], asked: str | None) -> list[str]:
    if asked is None:
        return [name for name in names if is_gguf(name)]
    everything = list(names)
    if asked in everything:
        return [asked]
    return [name for name in everything if fnmatchcase(name, asked)]


def projector(names: Iterable[str], model: str) -> tuple[str, ...]:
    """Return the best projector in the folder of `model`, or nothing."""
    folder = model.rpartition("/")[0]
    beside = [n for n in names if is_projector(n) and n.rpartition("/")[0] == folder]
    return tuple(sorted(beside, key=lambda name: (_rank(name, _PROJECTORS), name))[:1])


def _rank(name: str, order: Sequence[str]) -> int:
    found = quantization(name)
    return order.index(found) if found in order else len(order)
