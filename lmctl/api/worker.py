"""The worker that serves the gateway's app, and its master: gunicorn's own, with an end that drops
nobody.

Told to end, it first accepts who has connected already, lets running answers finish, and does not
wait for connections on which nothing is asked. While a successor starts beside it, it goes on
accepting for a moment: whoever comes meanwhile need not wait until that one is up.
"""

import asyncio
import os
import signal
from contextlib import suppress
from typing import Any, Final

from gunicorn.arbiter import Arbiter
from gunicorn.asgi.protocol import ASGIProtocol
from gunicorn.workers.gasgi import ASGIWorker

from lmctl.api import gateway_note

_BEAT: Final = 1.0  # seconds between two signs of life
_TICK: Final = 0.05
_LINGER: Final = 1.0
"""Seconds a connection without a request may still send one, and a successor gets to be up."""
_TRIES: Final = 100
_ENDS: Final = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT)


class Master(Arbiter):  # type: ignore[misc]  # gunicorn has no types
    """Starts and ends the workers. A signal that comes while one starts waits until its loop runs:
    the handlers it inherits keep a signal for a master's loop, and uvloop hears none before it runs.
    """

    def spawn_worker(self) -> Any:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDS)
        try:
            return super().spawn_worker()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Connection(ASGIProtocol):  # type: ignore[misc]  # gunicorn has no types
    """One connection, known to its worker while it lives."""

    def connection_made(self, transport: Any) -> None:
        self.worker.connections.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.worker.connections.discard(self)
        super().connection_lost(exc)

    def close_if_idle(self) -> None:
        """End it if nothing is asked on it now, the way its keep-alive time ends it."""
        if self._awaiting_request:
            self._keepalive_timeout()


class GatewayWorker(ASGIWorker):  # type: ignore[misc]  # gunicorn has no types
    """Serves until its master says no, or is gone."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: set[Connection] = set()
        self._told = asyncio.Event()

    def handle_exit_signal(self) -> None:
        super().handle_exit_signal()
        self._told.set()

    def handle_quit_signal(self) -> None:
        super().handle_quit_signal()
        self._told.set()

    async def _serve(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDS)
        for listener in self.sockets:
            server = await self.loop.create_server(lambda: Connection(self), sock=listener.sock)
            self.servers.append(server)
            self.log.info("ASGI server listening on %s", listener)
        while self.alive and self.ppid == os.getppid():
            self.notify()
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT):
                    await self._told.wait()
        await self._shutdown()

    async def _shutdown(self) -> None:
        self.log.info("Worker shutting down...")
        if gateway_note.succeeded(self.ppid):
            await self._while(lambda: True, seconds=_LINGER)
        await self._accept_the_rest()
        for server in self.servers:
            server.close()
        await self._while(lambda: self.connections, seconds=_LINGER)
        for each in tuple(self.connections):
            each.close_if_idle()
        await self._while(lambda: self.connections, seconds=self.cfg.graceful_timeout)
        if self.connections:
            self.log.warning("Forcing close of %d connections", len(self.connections))

    async def _accept_the_rest(self) -> None:
        """Return once nobody waits to be accepted: closing a socket resets who does."""
        for _ in range(_TRIES):
            if not any(each.get_backlog() > 0 for each in self.sockets):
                return
            await asyncio.sleep(0)

    async def _while(self, holds: Any, *, seconds: float) -> None:
        """Stay alive while something holds, but no longer; not at all when told to be quick."""
        until = self.loop.time() + seconds
        while holds() and self.loop.time() < until and not self._quick_shutdown:
            self.notify()
            await asyncio.sleep(_TICK)
