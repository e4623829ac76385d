"""A real HTTP server on a port of its own: files with ranges, and faults that can be asked for.

Every request for a file takes the first fault that fits its path and is not used up.
"""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

_WRITE = 64 * 1024


@lru_cache(maxsize=16)
def _etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@dataclass
class Fault:
    """What goes wrong with the next `times` requests whose path contains `path`.

    `cut_after` and `stall_after` count bytes of the body; a stalled or silent answer goes on
    when the server closes. `short` bytes fewer are announced and sent.
    """

    path: str = ""
    times: int = 1
    cut_after: int | None = None
    stall_after: int | None = None
    silent: bool = False
    corrupt: bool = False
    short: int = 0
    lie_about_length: int = 0
    ignore_range: bool = False
    wrong_range: bool = False
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """One request as it arrived, and how many bytes of body were sent for it."""

    method: str
    path: str
    headers: dict[str, str]
    sent: int = 0

    @property
    def range_start(self) -> int:
        return int(self.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])


class Handler(BaseHTTPRequestHandler):
    """Answers from the tables of its server."""

    protocol_version = "HTTP/1.1"
    server: "FileServer"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing: tests read `server.asked`."""

    def do_GET(self) -> None:
        self.answer()

    def do_HEAD(self) -> None:
        self.answer()

    def answer(self) -> None:
        data = self.server.files.get(self.path_only)
        if data is None:
            self.plain(404, b"no such file")
            return
        self.send_file(data, etag=_etag(data))

    @property
    def path_only(self) -> str:
        return unquote(urlsplit(self.path).path)

    def note(self, sent: int = 0) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(self.command, self.path, headers, sent))

    def plain(self, status: int, body: bytes, **headers: str) -> None:
        self.note()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_file(self, data: bytes, *, etag: str | None, **headers: str) -> None:
        fault = self.server.take_fault(self.path_only) if self.command == "GET" else Fault()
        if fault.silent:
            self.note()
            self.server.hold()
            self.hang_up()
            return
        if fault.status is not None:
            self.plain(fault.status, b"", **fault.headers)
            return
        if fault.corrupt:
            data = bytes(byte ^ 0x55 for byte in data)
        data = data[: len(data) - fault.short]
        start = self._start(etag, fault)
        if start is not None and start >= len(data):
            self.plain(416, b"", Content_Range=f"bytes */{len(data)}")
            return
        body = data[start or 0 : None if start is None else self._stop()]
        self._head(len(data), len(body), start, etag=etag, fault=fault, headers=headers)
        self._body(body, fault)

    def _start(self, etag: str | None, fault: Fault) -> int | None:
        asked = self.headers.get("Range")
        condition = self.headers.get("If-Range")
        if asked is None or fault.ignore_range or (condition and condition != f'"{etag}"'):
            return None
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def _stop(self) -> int | None:
        """Return the byte after the last one that is asked for; None is the end."""
        last = self.headers.get("Range", "").partition("-")[2]
        return int(last) + 1 if last else None

    def _head(self, size, length, start, *, etag, fault, headers) -> None:
        self.send_response(200 if start is None else 206)
        if etag:
            self.send_header("ETag", f'"{etag}"')
        if start is not None:
            first = start + 1 if fault.wrong_range else start
            self.send_header("Content-Range", f"bytes {first}-{start + length - 1}/{size}")
        if self.server.says_ranges:
            self.send_header("Accept-Ranges", "bytes")
        for name, value in {**headers, **fault.headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(length + fault.lie_about_length))
        self.end_headers()

    def _body(self, body: bytes, fault: Fault) -> None:
        if self.command == "HEAD":
            self.note()
            return
        stop = fault.cut_after if fault.cut_after is not None else fault.stall_after
        piece = body if stop is None else body[:stop]
        self.note(len(piece))
        for start in range(0, len(piece), _WRITE):
            self.wfile.write(piece[start : start + _WRITE])
            self.server.count(len(piece[start : start + _WRITE]))
        self.wfile.flush()
        if fault.stall_after is not None:
            self.server.hold()
        if stop is not None or fault.lie_about_length:
            self.hang_up()

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)


class FileServer(ThreadingHTTPServer):
    """Serves `files` (path -> bytes); `asked` is what clients did, in order."""

    daemon_threads = True
    handler = Handler

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.handler)
        self.files: dict[str, bytes] = {}
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self.says_ranges = True
        self.written = 0  # bytes of body the kernel has taken
        self.at_offset: tuple[int, Callable[[], object]] | None = None
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def server_bind(self) -> None:
        # What waits in our own kernel never travelled: little of that, so that `written` says what did.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 96 * 1024)
        super().server_bind()

    def take_fault(self, path: str) -> Fault:
        with self._lock:
            for fault in self.faults:
                if fault.times and fault.path in path:
                    fault.times -= 1
                    return fault
        return Fault()

    def count(self, written: int) -> None:
        """Note bytes that went out; do what is to be done once so many have."""
        with self._lock:
            self.written += written
            due = self.at_offset if self.at_offset and self.written >= self.at_offset[0] else None
            if due:
                self.at_offset = None
        if due:
            due[1]()

    def hold(self) -> None:
        self.closing.wait(60)

    def handle_error(self, request, client_address) -> None:
        """A client that leaves is part of these tests."""

    def bodies(self, path: str = "") -> list[Asked]:
        """Return the GETs whose path contains `path`."""
        return [each for each in self.asked if each.method == "GET" and path in each.path]

    def sent(self, path: str = "") -> int:
        """Return the bytes of body sent for a path, over all requests."""
        return sum(each.sent for each in self.bodies(path))

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        server = cls()
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            server.server_close()
            thread.join(10)


def refusing_port() -> int:
    """Return a port of this machine where nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
