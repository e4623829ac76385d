"""What gateways read beside the surface, written after every turn that made it another."""

from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.daemon.wiring import Eyes
from lmctl.planning.health import health_of
from lmctl.planning.known_models import MODELS_FILE, KnownModels, known_models
from lmctl.planning.turn import Turn

_HEALTH_FILE = "health.json"


class Publishing:
    """Keeps `health.json` and `models.json` of one home as a turn saw things."""

    def __init__(self, run: Path, eyes: Eyes) -> None:
        self._run = run
        self._eyes = eyes
        self.models = KnownModels()  # as last written down

    def turn(self, turn: Turn) -> None:
        """Write down what is new since the last turn; without a good bundle nothing is known."""
        desired = turn.desired
        if desired is None:
            return
        self._write(_HEALTH_FILE, health_of(desired, turn.observed, turn.standings))
        others = self._eyes.other_models(desired)
        self.models = known_models(desired, turn.observed, others)
        self._write(MODELS_FILE, self.models)

    def _write(self, name: str, value: msgspec.Struct) -> None:
        content, path = msgspec.json.encode(value), self._run / name
        if read_if_there(path) != content:
            write_atomically(path, content)
