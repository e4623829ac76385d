"""Sequences of MLX that can be written to a file: those that are kept in rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import mlx.core as mx

from lmctl.base.spec import LoadSettings
from lmctl.runner.mlx.engine import MlxEngine
from lmctl.runner.mlx.load import Opened
from lmctl.runner.mlx.rows import Rows

_TOKENS: Final = "tokens"


class SavingMlxEngine(MlxEngine):
    """An engine whose `rows` can be written, each with its tokens, and read by another one."""

    def __init__(self, opened: Opened, settings: LoadSettings, rows: Rows) -> None:
        super().__init__(opened, settings)
        self._rows = rows

    @property
    def saved_as(self) -> str:
        return f"mlx {mx.__version__}"

    def save(self, sequence: int, tokens: Sequence[int], path: Path) -> None:
        arrays = self._rows.row(sequence) | {_TOKENS: mx.array(tokens, mx.int32)}
        try:
            with path.open("wb") as file:
                mx.save_safetensors(file, arrays)
        except RuntimeError as error:
            raise OSError(f"MLX could not write {path}: {error}") from error

    def restore(self, sequence: int, path: Path) -> list[int]:
        try:
            arrays = mx.load(str(path), format="safetensors")
            tokens: list[int] = arrays.pop(_TOKENS).tolist()
        except (KeyError, RuntimeError):
            return []
        if len(tokens) > self.facts.context_length or not self._rows.put(sequence, arrays):
            return []
        return tokens
