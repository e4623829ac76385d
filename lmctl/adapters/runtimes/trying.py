"""The self-test of an engine in a process of its own, as a broken native library ends its process."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Final

_DEADLINE: Final = 120.0


async def self_test(
    engine: str, python: str, environment: Mapping[str, str]
) -> tuple[Sequence[str] | None, str]:
    """Return the words a self-test ended with, the version last; None, and what is wrong, when it did
    not pass. `python` is ours if empty.
    """
    process = await asyncio.create_subprocess_exec(
        *(python or sys.executable, "-m", "lmctl.runner.self_test", engine),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
        cwd="/",
    )
    try:
        async with asyncio.timeout(_DEADLINE):
            out, trouble = await process.communicate()
    except TimeoutError:
        return None, "did not end in time"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return out.decode().split(), ""
    return None, _ending(process.returncode or 0, trouble.decode(errors="replace"))


def _ending(code: int, said: str) -> str:
    if code < 0:
        return f"was ended by signal {-code}: its code is not for this processor?"
    return f"failed: {' '.join(said.strip().splitlines()[-1:])}"
