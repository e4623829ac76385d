"""What the daemon wrote down of models for whoever asks while it does not run."""

from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there
from lmctl.planning.known_models import MODELS_FILE, KnownModels


def read_known_models(run: Path) -> KnownModels:
    """Return what lies in the run folder; nothing where it is missing or of another version."""
    try:
        return msgspec.json.decode(read_if_there(run / MODELS_FILE) or b"{}", type=KnownModels)
    except msgspec.DecodeError:
        return KnownModels()
