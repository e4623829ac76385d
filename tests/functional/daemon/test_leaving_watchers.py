"""Whoever follows the box and leaves is not written to for ever."""

import asyncio
import socket
from contextlib import asynccontextmanager

import falcon.asgi
import uvicorn

from lmctl.api.leaving import reading_ends_with_the_client


class Following:
    """A stream without an end, which tells when it is over."""

    def __init__(self) -> None:
        self.over = asyncio.Event()

    async def on_get(self, _req, resp):
        resp.stream = self.lines()

    async def on_post(self, _req, resp):
        resp.stream = self.lines()

    async def lines(self):
        try:
            while True:
                yield b"line\n"
                await asyncio.sleep(0.01)
        finally:
            self.over.set()


@asynccontextmanager
async def served(app, path):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off"))
    task = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield
    finally:
        server.force_exit = server.should_exit = True
        await task


async def leave_in_the_middle(path, method):
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0)
    writer.write(f"{method} /follow HTTP/1.1\r\nhost: box\r\ncontent-length: 0\r\n\r\n".encode())
    await reader.readuntil(b"line\n")
    writer.close()


async def test_a_watch_ends_with_its_watcher(tmp_path):
    following = Following()
    app = falcon.asgi.App()
    app.add_route("/follow", following)
    async with served(reading_ends_with_the_client(app), tmp_path / "s"):
        await leave_in_the_middle(tmp_path / "s", "GET")
        async with asyncio.timeout(30):
            await following.over.wait()


async def test_what_changes_something_is_not_broken_off(tmp_path):
    following = Following()
    app = falcon.asgi.App()
    app.add_route("/follow", following)
    async with served(reading_ends_with_the_client(app), tmp_path / "s"):
        await leave_in_the_middle(tmp_path / "s", "POST")
        await leave_in_the_middle(tmp_path / "s", "POST")  # by now the first is known to have left
        assert not following.over.is_set()
