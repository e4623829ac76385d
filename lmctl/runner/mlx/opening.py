"""An engine from the files of an MLX folder, for what its model can do."""

from lmctl.base.spec import LoadSettings
from lmctl.runner.mlx import load as loading
from lmctl.runner.mlx.engine import MlxEngine
from lmctl.runner.mlx.load import Named, Progress
from lmctl.runner.mlx.rows import Rows
from lmctl.runner.mlx.saving import SavingMlxEngine


def load(files: Named, settings: LoadSettings, *, progress: Progress) -> MlxEngine:
    """Load an MLX model from its files, by their names in its folder. Raises LoadFailed."""
    opened = loading.load(files, settings, progress=progress)
    if isinstance(opened.memory, Rows):
        return SavingMlxEngine(opened, settings, opened.memory)
    return MlxEngine(opened, settings)
