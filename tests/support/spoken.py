"""A gateway before a real runner whose echo engine says what the last user message says.

So a test writes down what a model would write, and sees what its client makes of it.
"""

from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from lmctl.base.spec import LoadSettings
from lmctl.planning.surface import ServedRoute
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import start


@asynccontextmanager
async def echo_runner(box, *, parallel=2, **script):
    """Serve a runner of the given script behind the route `chat` of a run folder."""
    with TemporaryDirectory(prefix="lm") as folder:  # short: a socket's path has 107 bytes
        weights = Path(folder, "echo.json")
        weights.write_bytes(msgspec.json.encode(Script(**script)))
        runner = start(Path(folder), weights, engine="echo", load=LoadSettings(parallel=parallel))
        try:
            await runner.ready()
            box.serve(ServedRoute("chat", "chat", "acme/tiny", runner.socket, "d1", {}))
            box.health(chat="ready")
            yield runner
        finally:
            await runner.end()
