from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest

from lmctl.base.spec import LoadSettings
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import Box, start

Start = Callable[..., Box]


@pytest.fixture
async def echo() -> AsyncIterator[Start]:
    """Starts echo runners in processes of their own; all are gone when the test ends."""
    boxes: list[Box] = []
    with TemporaryDirectory(prefix="lm") as folder:  # short: a socket's path has 107 bytes

        def begin(script: Script | None = None, *, parallel: int = 2, **spec: object) -> Box:
            home = Path(folder, str(len(boxes)))
            home.mkdir()
            weights = home / "echo.json"
            weights.write_bytes(msgspec.json.encode(script or Script()))
            load = spec.pop("load", LoadSettings(parallel=parallel))
            boxes.append(start(home, weights, engine="echo", load=load, **spec))
            return boxes[-1]

        yield begin
        for box in boxes:
            await box.end()
