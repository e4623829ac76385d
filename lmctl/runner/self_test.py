"""Whether an engine works in this Python: `python -m lmctl.runner.self_test ENGINE`.

Prints the version of what was tested as its last word; exits with 1 and the reason as its last line.
A process of its own, because a broken native library takes its process down.
"""

import importlib
import importlib.util
import sys

from lmctl import __version__
from lmctl.base.errors import LmctlError


def tested(engine: str) -> str:
    """Try an engine and return the version of what it is made of.

    Raises ImportError, AttributeError, OSError, ValueError and EngineFailed: what is wrong with it.
    """
    match engine:
        case "llama.cpp":
            from lmctl.runner.llamacpp import trial as llamacpp

            return llamacpp.try_it()
        case "mlx":
            if not (importlib.util.find_spec("mlx") and importlib.util.find_spec("mlx_lm")):
                raise ImportError(
                    "MLX is not installed here; it comes with lmctl on Apple silicon, elsewhere with"
                    " `lmctl[mlx]`"
                )
            from lmctl.runner.mlx import trial as mlx

            return mlx.try_it()
        case _:
            importlib.import_module("lmctl.runner.echo")
            return __version__


def main() -> None:
    """Test the engine that is named."""
    try:
        version = tested(sys.argv[1])
    except (LmctlError, ImportError, AttributeError, OSError, ValueError) as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)
    sys.stdout.write(f"{version}\n")


if __name__ == "__main__":
    main()
