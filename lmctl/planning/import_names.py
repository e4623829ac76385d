"""What a file that somebody brings is called: the model it is of, and the files that belong to it."""

import re
from collections.abc import Iterable

from lmctl.planning.gguf_names import is_gguf, projector, quantization, split_set, split_stem
from lmctl.planning.mlx_names import is_mlx, mlx_folder


def model_name(file: str) -> str:
    """Return the name of the model a file is of: its own without the quantization and the ending."""
    stem = split_stem(file) if is_gguf(file) else file.rpartition(".")[0] or file
    if found := quantization(file):
        stem = re.sub(rf"[-._]?{re.escape(found)}$", "", stem, flags=re.IGNORECASE) or stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "model"


def belonging(file: str, beside: Iterable[str]) -> tuple[str, ...]:
    """Return the files that make a model together, the one that is named first: all parts of a split
    set, though they may be missing; a vision projector; what belongs to an MLX folder.
    """
    names = sorted(beside)
    if is_mlx(file):
        return mlx_folder(names, [file]) or (file,)
    return (*split_set(file), *(each for each in projector(names, file) if each != file))
