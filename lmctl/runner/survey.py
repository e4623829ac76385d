"""What an engine sees of the hardware: `python -m lmctl.runner.survey ENGINE`, as JSON on one line.

A process of its own, as drivers of GPUs are loaded for it.
"""

import sys
from typing import Any

import msgspec


def seen_by(engine: str) -> dict[str, Any]:
    """Return what an engine computes with and on which devices; sizes in bytes.

    Raises ImportError, AttributeError, OSError and ValueError where it cannot be asked.
    """
    match engine:
        case "llama.cpp":
            from lmctl.runner.llamacpp import hardware as llamacpp

            return llamacpp.hardware()
        case "mlx":
            from lmctl.runner.mlx import hardware as mlx

            return mlx.hardware()
        case _:
            return {"features": [], "devices": []}


def main() -> None:
    """Print what the engine that is named sees."""
    try:
        found = seen_by(sys.argv[1])
    except (ImportError, AttributeError, OSError, ValueError) as error:
        sys.exit(" ".join(str(error).split()) or type(error).__name__)
    sys.stdout.write(msgspec.json.encode(found).decode() + "\n")


if __name__ == "__main__":
    main()
