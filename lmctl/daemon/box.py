"""One box: the loop with everything it needs, and what may be asked of it."""

import asyncio
import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import structlog

from lmctl import __version__
from lmctl.adapters.followed import Followed
from lmctl.adapters.git import commit_of
from lmctl.adapters.home import Home
from lmctl.adapters.manual import ManualLoads
from lmctl.adapters.metrics.control import ControlMetrics
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.processes import Processes
from lmctl.adapters.revisions import Revisions
from lmctl.adapters.runner_folders import forgive_failures
from lmctl.adapters.secrets import SecretResolver, fingerprint_key, without_secrets
from lmctl.adapters.state.store import open_store
from lmctl.adapters.systemd import ServiceManager
from lmctl.adapters.weights.scrubbing import Scrubber
from lmctl.base.digests import short
from lmctl.base.periods import Periods
from lmctl.daemon.by_hand import ByHand
from lmctl.daemon.download_shelf import Ears
from lmctl.daemon.downloading import downloads_of
from lmctl.daemon.exact import Scribe, check, plan_now
from lmctl.daemon.hands import hands
from lmctl.daemon.progress import Changes, ProgressBoard
from lmctl.daemon.publishing import Publishing
from lmctl.daemon.recording import Recorder
from lmctl.daemon.scrubbing import BUSY_RATE, IDLE_RATE, Scrub
from lmctl.daemon.telling import Telling
from lmctl.daemon.tokens import TokenKeeper
from lmctl.daemon.tool_hosting import ToolHosting
from lmctl.daemon.vitals import Vitals
from lmctl.daemon.wiring import eyes
from lmctl.planning.desired import DesiredState
from lmctl.planning.known_models import KnownModels
from lmctl.planning.observed import ObservedState
from lmctl.planning.outcome import Outcome
from lmctl.planning.pauses import Limit, Suspension
from lmctl.planning.plan import Planned
from lmctl.planning.plan_file import PlanFile
from lmctl.planning.report import BoxStatus, DaemonView
from lmctl.planning.turn import Reading, Turn
from lmctl.reconciler.bell import Bell
from lmctl.reconciler.execute import Executor
from lmctl.reconciler.history import History
from lmctl.reconciler.loop import Reconciler
from lmctl.reconciler.reading import FolderReader, LastGood, ReadResult, read_guarded
from lmctl.reconciler.vanishing import Vanishing
from lmctl.reconciler.wishes import Wishes

log = structlog.get_logger("lmctl.daemon")

TURN_DEADLINE = 30.0  # seconds a turn may take before whoever waits for it is answered anyway


class Box:
    """The control plane of one box. Everything here runs on one event loop."""

    def __init__(
        self,
        home: Home,
        manager: ServiceManager | None = None,
        *,
        periods: Periods | None = None,
    ) -> None:
        self.home = home
        self.manager = manager or ServiceManager("")
        self.store = open_store(home.database, clock=time.time)
        self.followed = Followed(home.root / "roots.json")
        self.changes = Changes()
        self.stopping = asyncio.Event()
        self.asked = asyncio.Event()  # somebody applied, or was refused to
        self.keep_running = False
        self.periods = periods or Periods()
        self.metrics = ControlMetrics(time.monotonic)
        self._board = ProgressBoard(self.changes.bump, self.metrics.progress)
        self._bell = Bell(self.manager.alive, beat=self.manager.beat, resync=self.periods.resync)
        processes = Processes(without_secrets(os.environ))
        self.vitals = Vitals(processes, self.periods.health, self._bell.ring)
        self.eyes = eyes(
            home,
            clock=time.time,
            processes=processes,
            silence=self.vitals.silence,
            resync=self.periods.resync,
        )
        self._publishing = Publishing(home.run, self.eyes)
        self._turns = Changes()
        self.recorder = Recorder(self.store, clock=time.time, changed=self.changes.bump)
        self._telling = Telling(
            self.recorder.dated, DaemonView(os.getpid(), __version__, time.time())
        )
        self.act = hands(home, self.eyes, self._board, hang_after=self.periods.hang).act
        self._executor = Executor(
            self.act,
            wake=self._bell.ring,
            clock=time.monotonic,
            started=self._began,
            ended=self._ended,
        )
        self.wishes = Wishes(Pauses(home.root), clock=time.time, tell=self.recorder.event)
        self.by_hand = ByHand(
            ManualLoads(home.root),
            clock=time.time,
            tell=self.recorder.event,
            ring=self._bell.ring,
        )
        self.downloads = downloads_of(
            self.eyes,
            Ears(self.recorder.event, self.changes.bump, self._bell.ring, self.metrics.downloaded),
        )
        self._tokens = TokenKeeper(
            home.run / "tokens.json",
            SecretResolver(fingerprint_key(home.root)),
            clock=time.monotonic,
            period=self.periods.resync,
            tell=self.recorder.event,
        )
        self.tools = ToolHosting(home, tell=self.recorder.event, ring=self._bell.ring)
        self.history = History(
            self.store.generations,
            Revisions(home.revisions),
            commit_of=commit_of,
            clock=time.time,
        )
        self.scribe = Scribe(home, self.store)
        self.reader = FolderReader(
            roots=self.followed.roots,
            host=self.eyes.host,
            history=self.history,
            last_good=LastGood(home.last_good),
            wishes=self.wishes,
            vanishing=Vanishing(self.periods.vanish, time.monotonic),
        )
        self.reconciler = Reconciler(
            read=self._read,
            observe=self.observe,
            executor=self._executor,
            progress=self._board.latest,
            record=self._record,
            broke=self._broke,
            bell=self._bell,
        )
        self.scrub = Scrub(
            Scrubber(home.root, clock=time.time, rate=self._scrub_rate),
            clock=time.time,
            period=self._scrub_period,
            damaged=self._damaged,
            changed=lambda seconds: self._turns.after(self._turns.number, seconds=seconds),
        )

    async def observe(self, desired: DesiredState) -> ObservedState:
        """Look at everything, with what is remembered of earlier looks."""
        seen = await self.eyes.observer.look(desired)
        return msgspec.structs.replace(
            seen,
            converged=self.recorder.converged,
            peaks=self.recorder.peaks.known,
            tool_servers=self.tools.host.seen(),
        )

    @property
    def models(self) -> KnownModels:
        """Return the models there are, as the last turn saw them."""
        return self._publishing.models

    def status(self) -> BoxStatus:
        """Return how things are at this very moment."""
        return self._telling.status(
            self.reconciler.now(), self.followed.roots(), self._board.latest()
        )

    async def follow(
        self, roots: Sequence[str], only: Sequence[str] = (), *, allow_prune: int = 0
    ) -> BoxStatus:
        """Follow these folders from now on, a hold on what they say ends; returns after they were
        read once. As many as `allow_prune` objects may be gone from them.
        """
        read = await self._read_folders(roots, allow_prune) if only else None
        self._follow(roots, Limit(read.bundle.digest, tuple(only)) if read else None)
        self.asked.set()
        with self.reader.taking_at_its_word(allow_prune=allow_prune):
            return await self.fresh()

    async def _read_folders(self, roots: Sequence[str], allow_prune: int) -> ReadResult:
        paths, host = [Path(each) for each in roots], self.eyes.host()
        before = LastGood(self.home.last_good).read(host)
        return await asyncio.to_thread(read_guarded, paths, host, before, allowed=allow_prune)

    def _follow(self, roots: Sequence[str], limit: Limit | None) -> None:
        self.followed.follow(roots)
        log.info("following", roots=list(roots))
        self.wishes.release("an apply")
        self.wishes.put_limit(limit)
        self.recorder.asked_to_correct(self.reconciler.now().desired)

    async def apply_plan(self, file: PlanFile) -> BoxStatus:
        """Do exactly what was written down; returns after the first turn that did.

        Raises Stale, saying what moved, when other steps would come out now.
        """
        roots = file.revision.roots
        try:
            async with self.reconciler.turning:
                result = await self._read_folders(roots, file.allow_prune)
                desired, _ = self.wishes.suspend(result.desired)
                now = await plan_now(self.scribe, result, desired, self.observe, file=file)
                check(file, self.scribe.moved(file, now))
                self.store.plans.consume(file.id)
                limit = Limit(result.bundle.digest, file.only) if file.only else None
                self._follow(roots, limit)
            message = f"plan {short(file.id)} of {file.created_at}"
            self.recorder.event("box", "PlanApplied", message)
        finally:
            self.asked.set()
        with self.reader.taking_at_its_word(allow_prune=file.allow_prune):
            return await self.fresh()

    async def rollback(self, number: int | None, *, by: str, reason: str) -> BoxStatus:
        """Bring a generation back and hold what the folders say now; see History.turn_back."""
        digest = self.reader.source_digest
        self.wishes.put_hold(
            self.history.turn_back(number, source_digest=digest, by=by, reason=reason)
        )
        return await self.fresh()

    def suspend(self, subject: str, *, reason: str, by: str, until: float | None) -> None:
        """Leave an object, or the box, as it is; see Wishes.add."""
        new = Suspension(subject, reason, time.time(), by, until)
        self.wishes.add(new, self.reconciler.now().desired)

    def resume(self, what: str, *, by: str) -> list[str]:
        """End suspensions, the hold of a rollback, or `all`; see Wishes.resume."""
        return self.wishes.resume(what, by, self.reconciler.now().desired)

    async def fresh(self) -> BoxStatus:
        """Return how things are after everything was read and seen anew; failures are forgiven."""
        self._forgive()
        await self.turned()
        return self.status()

    async def turned(self) -> None:
        """Return after everything was read and seen anew."""
        # A turn under way may have read what was before; the one after it has not.
        for _ in range(2):
            number = self._turns.number
            self._bell.ring()
            await self._turns.after(number, seconds=TURN_DEADLINE)

    def again(self) -> None:
        """Look again now; what failed may be tried at once."""
        self._forgive()
        self._bell.ring()

    def _forgive(self) -> None:
        """Give everything another try, a replacement too whose failure is remembered."""
        self._executor.forgive()
        forgive_failures(self.home.runners)

    def child_ended(self) -> None:
        """Take leave of children that ended, so that no dead process stays in the table."""
        self.eyes.processes.reap()

    def ring(self) -> None:
        """Something may have changed."""
        self._bell.ring()

    def ask_to_stop(self, *, keep: bool) -> None:
        """End `run` soon; `keep` leaves gateway and runners serving."""
        self.keep_running = keep
        self.stopping.set()

    async def settle(self) -> None:
        """Cancel running steps and wait until each is at a safe point."""
        await self._executor.stop()

    async def close(self) -> None:
        """Close what is open."""
        await self.downloads.stop()
        await self.settle()
        self.by_hand.stop()
        await self.vitals.stop()
        await self.tools.host.close()
        self.store.close()

    async def _read(self) -> Reading:
        self.metrics.turn_began()
        reading = await self.reader.read()
        if reading.desired is not None:
            await self._tokens.renew(self.reader.token_secrets)
        return reading

    def _broke(self, error: Exception) -> None:
        log.error("turn broke", exc_info=error)
        self.metrics.turn_broke()

    def _began(self, planned: Planned, generation: int) -> None:
        self.metrics.began(planned)
        self.recorder.began(planned, generation)

    def _ended(self, planned: Planned, outcome: Outcome) -> None:
        self._board.forget(planned.key)
        self.metrics.ended(planned, outcome)
        self.recorder.ended(planned, outcome)

    def _scrub_rate(self) -> float:
        last = self.reconciler.last
        loaded = last is not None and any(each.alive for each in last.observed.runners)
        return BUSY_RATE if loaded else IDLE_RATE

    def _scrub_period(self) -> float:
        desired = self.reconciler.last.desired if self.reconciler.last else None
        return (desired or DesiredState(0)).scrub

    def _damaged(self, sha256: str) -> None:
        for model in self.eyes.weights.models_with(sha256):
            message = f"a stored file is not {short(sha256)} any more; it is in quarantine"
            self.recorder.event(f"model/{model}", "Damaged", message, "error")
        self._bell.ring()

    def _record(self, turn: Turn) -> None:
        wanted = turn.desired.instances if turn.desired else ()
        budgets = {each.name: each.memory for each in wanted if each.memory is not None}
        self.vitals.follow(turn.observed, budgets)
        self._publishing.turn(turn)
        if turn.desired is not None:
            self.tools.follow(turn.desired)
        self.recorder.turn(turn)
        self.by_hand.turn(turn)
        self.metrics.turn(turn, digest=self.reader.digest, running=self._executor.running)
        self.manager.status(_headline(turn))
        self.changes.bump()
        self._turns.bump()


def _headline(turn: Turn) -> str:
    """Return the box in one line, for `systemctl status`."""
    if turn.desired is None and not turn.reading.problems:
        return "follows no folder"
    return f"generation {turn.generation}: {turn.box.message}"
