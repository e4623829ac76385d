"""A sum, to see that MLX works here."""

import mlx.core

import lmctl.runner.mlx.engine


def try_it() -> str:
    """Compute with MLX and return its version. Raises ValueError when the sum is wrong."""
    assert lmctl.runner.mlx.engine is not None  # noqa: S101 # that it can be imported is the test
    if mlx.core.sum(mlx.core.ones(4)).item() != 4:
        raise ValueError("MLX cannot add")
    return str(mlx.core.__version__)
