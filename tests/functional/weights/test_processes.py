"""Several processes and one home; processes that are killed."""

import asyncio
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from lmctl.planning.weights_values import UrlSource, Weights
from tests.support.file_server import Fault
from tests.support.weights_home import blobs, blobs_are_what_they_say, content, partials, sha256

DATA = content(6_000_000)
DIGEST = sha256(DATA)
ROOT = Path(__file__).parents[3]


@asynccontextmanager
async def fetching(home, files):
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.support.fetch_process",
        str(home),
        f"{files.url}/m.gguf",
        DIGEST,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def said(process, wanted):
    """Read what the process says until `wanted` holds for a line."""
    async with asyncio.timeout(30):
        while line := (await process.stdout.readline()).decode().strip():
            if wanted(line):
                return line
    raise AssertionError("the process ended without saying it")


def weights(files):
    return Weights("acme/m", (UrlSource(f"{files.url}/m.gguf", "m.gguf", DIGEST),))


async def test_a_download_killed_with_signal_9_is_continued_by_the_next(store, home, files):
    files.files["/m.gguf"] = DATA
    files.faults += [Fault(stall_after=5_500_000), Fault(stall_after=0, times=-1)]
    async with fetching(home, files) as process:
        await said(process, lambda line: line.isdigit() and int(line) >= 3_000_000)
        process.send_signal(signal.SIGKILL)
        await process.wait()
    files.faults.clear()
    kept = partials(home)[0].stat().st_size
    assert kept >= 3_000_000

    await store.fetch(weights(files))

    assert files.bodies()[-1].range_start == kept
    assert files.bodies()[-1].sent == len(DATA) - kept
    assert blobs(home) == {DIGEST}
    assert blobs_are_what_they_say(home)


async def test_two_processes_that_want_the_same_weights_fetch_them_once(home, files):
    files.files["/m.gguf"] = DATA
    async with fetching(home, files) as one, fetching(home, files) as other:
        await said(one, lambda line: line == "stored")
        await said(other, lambda line: line == "stored")

    assert files.sent() == len(DATA)
    assert blobs(home) == {DIGEST}
    assert partials(home) == []


async def test_two_fetches_of_one_process_share_the_work(store, home, files):
    files.files["/m.gguf"] = DATA

    first, second = await asyncio.gather(store.fetch(weights(files)), store.fetch(weights(files)))

    assert first == second
    assert files.sent() == len(DATA)
