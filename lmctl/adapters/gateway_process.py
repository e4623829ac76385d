"""The gateway's process as the control plane sees it: what it wrote, whether it lives and listens."""

import asyncio
import socket
from pathlib import Path

import msgspec
import psutil

from lmctl.adapters.files import read_if_there

_ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 # compared, not bound


class GatewayNote(msgspec.Struct, frozen=True):
    """What the gateway writes to `run/gateway.json` once it listens; `shares`: another one could
    listen at the same port beside it.
    """

    pid: int
    started_at: float
    binds: tuple[str, ...] = ()
    workers: int = 1
    shares: bool = False
    spec_digest: str = ""


def read_note(run: Path) -> GatewayNote | None:
    """Return the last note, or None when there is none or it is damaged."""
    content = read_if_there(run / "gateway.json")
    if content is None:
        return None
    try:
        return msgspec.json.decode(content, type=GatewayNote)
    except msgspec.DecodeError:
        return None


async def answers(bind: str) -> bool:
    """Ask a gateway whether it is alive, for as long as the caller lets us wait."""
    try:
        reader, writer = await _connected(bind)
    except OSError:
        return False
    try:
        writer.write(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        await writer.drain()
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()


async def _connected(bind: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if bind.startswith("unix:"):
        return await asyncio.open_unix_connection(bind.removeprefix("unix:"))
    return await asyncio.open_connection(*reached_at(bind))


def reached_at(bind: str) -> tuple[str, int]:
    """Return the host, without brackets, and the port at which this machine reaches a `host:port`
    that is listened on.
    """
    host, _, port = bind.rpartition(":")
    host = host.strip("[]")
    return _ANYWHERE.get(host, host), int(port)


def who_listens(port: int) -> str | None:
    """Return `python (pid 42)` for the process that holds a port, as far as we may know."""
    try:
        for each in psutil.net_connections(kind="tcp"):
            listens = each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == port
            if listens and each.pid:
                return f"{psutil.Process(each.pid).name()} (pid {each.pid})"
    except psutil.Error:
        return None
    return None


def can_bind(host: str, port: int, *, beside: bool = False) -> bool:
    """Say whether the address is free to listen on, or (`beside`) only held by who shares it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if beside:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
