"""One tool server under supervision: connected, watched, and connected again when it is lost."""

import asyncio
import importlib
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from lmctl.adapters.mcp.session import ToolSession
from lmctl.adapters.mcp.targets import LocalTarget, Target
from lmctl.base.errors import LmctlError, NotReady, Refused
from lmctl.base.tools import ToolAnswer, ToolOffer, definitions_size
from lmctl.planning.seen_tools import SeenToolServer, ToolPhase

FIRST_PAUSE: Final = 0.5  # seconds before the first new try; each further one doubles it
LONGEST_PAUSE: Final = 60.0
_CALM: Final = 60.0  # seconds after which a connection that is lost was a good one
_PERIOD: Final = 30.0  # seconds between two proofs that it lives
_PATIENCE: Final = 10.0  # seconds a call waits for a server that is coming up

_log = structlog.get_logger("lmctl.mcp")


class HostedServer:
    """Holds one server up until `stop`. `target` says where it is, each time anew; `changed` is
    called when it is another than before in any way.
    """

    def __init__(
        self,
        name: str,
        digest: str,
        target: Callable[[], Awaitable[Target]],
        *,
        log: Path,
        changed: Callable[[], object],
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self.seen = SeenToolServer(name, digest)
        self._target = target
        self._log = log
        self._changed = changed
        self._first_pause = first_pause
        self._session: ToolSession | None = None
        self._up = asyncio.Event()
        self._again = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def tools(self) -> tuple[ToolOffer, ...]:
        """Return what it offers; waits a little for one that is coming up. Raises NotReady."""
        return (await self._ready()).tools

    async def call(self, tool: str, arguments: dict[str, Any], *, seconds: float) -> ToolAnswer:
        """Return what a tool answers. Raises NotReady, and Unreachable when the server was lost."""
        return await (await self._ready()).call(tool, arguments, seconds=seconds)

    def again(self) -> None:
        """Connect again now: what is lost, and what is up (a secret it was given may be another)."""
        if self._session is not None:
            self._session.lose("somebody asked to connect again")
        self._again.set()

    async def stop(self) -> None:
        """End it."""
        self._task.cancel()
        await asyncio.wait({self._task})
        if self._session is not None:
            await self._session.close()

    async def _ready(self) -> ToolSession:
        with suppress(TimeoutError):
            if self.seen.phase is ToolPhase.STARTING:
                async with asyncio.timeout(_PATIENCE):
                    await self._up.wait()
        if self._session is None or not self._up.is_set():
            why = self.seen.reason or "it is being started"
            raise NotReady(f"tool server `{self.seen.name}` is not up: {why}", retry_after=5.0)
        return self._session

    async def _run(self) -> None:
        pause = self._first_pause
        while True:
            was_up, why, stuck = await self._once()
            if was_up:  # the next try comes soon, and calls may wait for it
                pause = self._first_pause
            self._became(
                _phase(was_up=was_up, stuck=stuck), reason=why, failures=self.seen.failures + 1
            )
            self._again.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if stuck else pause):
                    await self._again.wait()
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _once(self) -> tuple[bool, str, bool]:
        """Connect and stay so; returns whether it was up for a while, why it is over, and whether
        trying again will not help.
        """
        began = time.monotonic()
        try:
            session = await self._opened()
        except LmctlError as error:
            hint = f". {error.hint}" if error.hint else ""
            return False, f"{error}{hint}", isinstance(error, Refused)
        except Exception as error:  # noqa: BLE001 - whatever a target breaks with, others go on
            _log.exception("tool server", server=self.seen.name)
            return False, f"{type(error).__name__}: {error}", False
        try:
            self._session = session
            self._became(ToolPhase.READY, reason="", protocol=session.protocol)
            self._up.set()
            await session.gone.wait()
            return time.monotonic() - began > _CALM or self.seen.failures == 0, session.why, False
        finally:
            self._up.clear()
            self._session = None
            await session.close()

    async def _opened(self) -> ToolSession:
        await asyncio.to_thread(importlib.import_module, "mcp")  # it takes a second
        target = await self._target()
        if isinstance(target, LocalTarget):
            target = replace(target, log=self._log)
        session = ToolSession(target, period=_PERIOD, changed=self._listed, tell=self._note)
        try:
            await session.open()
        except BaseException:
            await session.close()
            raise
        return session

    def _listed(self) -> None:
        self._note("its tools changed")
        self._became(self.seen.phase)

    def _became(self, phase: ToolPhase, **told: Any) -> None:
        before = self.seen
        tools = self._session.tools if self._session is not None else ()
        self.seen = replace(
            before,
            phase=phase,
            tools=tuple(each.name for each in tools),
            definitions=definitions_size(tools),
            **told,
        )
        if self.seen == before:
            return
        if phase is not before.phase:
            _log.info("tool server", server=before.name, phase=phase.value, why=self.seen.reason)
            self._note(f"{phase.value.lower()} {self.seen.reason}".rstrip())
        self._changed()

    def _note(self, text: str) -> None:
        """Write a line between those of the server itself."""
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        with suppress(OSError), self._log.open("a", encoding="utf-8") as log:
            log.write(f"{at} lmctl: {text}\n")


def _phase(*, was_up: bool, stuck: bool) -> ToolPhase:
    if stuck:
        return ToolPhase.STUCK
    return ToolPhase.STARTING if was_up else ToolPhase.FAILING
