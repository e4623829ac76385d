"""Clients that ask a box all the time, and remember every answer: what a replacement must survive.

Plain HTTP/1.1 over loopback on one event loop of its own: cheap enough that the box is what is slow.
"""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

PATIENCE = 90.0


@dataclass(frozen=True)
class Asked:
    """One request: when it was begun and over (unix seconds), and how it went. `text` is the answer;
    `trouble` is empty for a good one.
    """

    began: float
    ended: float
    stream: bool
    text: str = ""
    trouble: str = ""


@dataclass
class Load:
    """Clients in a thread of their own, until `stop`."""

    port: int
    clients: int = 4
    model: str = "chat"
    pause: float = 0.002
    asked: list[Asked] = field(default_factory=list)

    def start(self) -> None:
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Let the running requests end, and no more begin."""
        self._stopping.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "a request never ended"

    def until(self, count: int) -> None:
        """Return once so many requests are over."""
        deadline = time.monotonic() + PATIENCE
        while len(self.asked) < count:
            assert time.monotonic() < deadline, f"only {len(self.asked)} requests"
            time.sleep(0.01)

    def more(self, count: int) -> None:
        """Return once so many more requests are over."""
        self.until(len(self.asked) + count)

    @property
    def failed(self) -> list[Asked]:
        return [each for each in self.asked if each.trouble]

    @property
    def texts(self) -> Counter[str]:
        return Counter(each.text for each in self.asked if not each.trouble)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(self.clients):
                group.create_task(self._client(stream=number % 2 == 0))

    async def _client(self, *, stream: bool) -> None:
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not self._stopping.is_set():
            began = time.time()
            try:
                async with asyncio.timeout(PATIENCE):
                    if connection is None:
                        connection = await asyncio.open_connection("127.0.0.1", self.port)
                    text, kept = await _ask(*connection, self.model, stream=stream)
                self.asked.append(Asked(began, time.time(), stream, text))
            except Exception as error:  # noqa: BLE001 - whatever went wrong is the finding
                self.asked.append(Asked(began, time.time(), stream, trouble=repr(error)))
                kept = False
            if not kept and connection is not None:
                connection[1].close()
                connection = None
            await asyncio.sleep(self.pause)
        if connection is not None:
            connection[1].close()


@contextmanager
def load_on(port: int, **more: object) -> Iterator[Load]:
    """Ask until the block ends."""
    load = Load(port, **more)
    load.start()
    try:
        yield load
    finally:
        load.stop()


class Wrong(Exception):
    """An answer that is none."""


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, model: str, *, stream: bool
) -> tuple[str, bool]:
    """Return the text of one whole answer, and whether the connection can be used again."""
    asked = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]}
    body = json.dumps(asked).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: box\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    status, headers = await _head(reader)
    content = await _body(reader, headers)
    if status != 200:
        raise Wrong(f"{status}: {content[:300].decode()}")
    kept = headers.get("connection", "keep-alive").lower() != "close"
    return (_streamed if stream else _whole)(content), kept


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    pairs = (line.partition(":") for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    if headers.get("transfer-encoding") != "chunked":
        return await reader.read()
    pieces = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    await reader.readline()
    return b"".join(pieces)


def _whole(content: bytes) -> str:
    text: str = json.loads(content)["choices"][0]["message"]["content"]
    return text


def _streamed(content: bytes) -> str:
    lines = [line for line in content.decode().split("\n") if line.startswith("data: ")]
    if not lines or lines[-1] != "data: [DONE]":
        raise Wrong(f"a stream without its end: {content[-300:].decode()}")
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    return "".join(each["choices"][0]["delta"].get("content") or "" for each in events)
