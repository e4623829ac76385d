"""Downloads people asked for: objects of the daemon, which goes on with them after a restart.

What travels goes through the same store as what files declare, so bytes that are here are not
fetched again, and what came is a blob, a record and a link like any other.
"""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec
import structlog

from lmctl.adapters.weights.fetch_errors import failure_kind, retry_after
from lmctl.adapters.weights.progress import Progress
from lmctl.base.errors import LmctlError, Refused
from lmctl.base.quantities import format_size
from lmctl.base.spec import FailureKind
from lmctl.daemon.download_shelf import Ears, Shelf, problem_of, shelf_of
from lmctl.daemon.wiring import Eyes
from lmctl.planning.downloads import Download, DownloadView, HubModel, Status, view_of

log = structlog.get_logger("lmctl.daemon")

_TOGETHER: Final = 3  # downloads that travel at a time; each has several connections
_TRIES: Final = 8  # in a row that brought no byte
_LONGEST_WAIT: Final = 120.0


class Downloading:
    """The downloads of one box. `clock` is seconds since the epoch."""

    def __init__(
        self,
        shelf: Shelf,
        ears: Ears,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._shelf = shelf
        self._clock = clock
        self._tell = ears.tell
        self._changed = ears.changed
        self._ring = ears.ring
        self._came = ears.came
        self._sleep = sleep
        self._places = asyncio.Semaphore(_TOGETHER)
        self._running: dict[str, asyncio.Task[None]] = {}
        self._progress: dict[str, Progress] = {}

    def woke(self) -> None:
        """Go on with what an earlier daemon had under way."""
        for job in self._shelf.jobs.read():
            if job.status == "downloading":
                self._begin(job)

    async def stop(self) -> None:
        """End all transfers at a safe point; the next daemon goes on with them."""
        for job in list(self._running):
            await self._halt(job)

    def list(self) -> tuple[DownloadView, ...]:
        """Return every download that is remembered, in the order they were asked for."""
        return tuple(self._view(each) for each in self._shelf.jobs.read())

    def get(self, job: str) -> DownloadView:
        """Return one. Raises NotFound when there is none of this id."""
        return self._view(self._shelf.known(job))

    def start(self, of: HubModel, *, total: int, sha256s: tuple[str, ...]) -> DownloadView:
        """Begin a download, or go on with the one of this model; returns at once.

        Raises NoSpace when the disk has no room for what is missing.
        """
        if self._shelf.is_here(of):
            return _already(of)
        for job in self._shelf.jobs.read():
            if job.of == of and job.status != "completed":
                return self.resume(job.id)
        here = sum(self._shelf.on_disk(each) for each in sha256s)
        self._shelf.blobs.require_space(max(total - here, 0), of.model)
        identity = f"job_{secrets.token_hex(5)}"
        job = Download(identity, of, total, sha256s, self._clock(), done=here)
        self._keep(job)
        message = f"{of.file} of {of.user}/{of.repo}, {format_size(total)}"
        self._tell(f"model/{of.model}", "DownloadStarted", message, "info")
        self._begin(job)
        return self._view(job)

    async def pause(self, job: str) -> DownloadView:
        """Stop a download; what is here stays. Raises NotFound, and Refused when it is over."""
        found = self._shelf.unfinished(job)
        if found.status == "downloading":
            done = self._done(found)
            await self._halt(job)
            found = self._shelf.known(job)
            if not found.over:  # else it came to its end in the meantime
                found = self._become(found, "paused", done=done)
                self._say(found, "DownloadPaused", f"{format_size(found.done)} are here")
        return self._view(found)

    def resume(self, job: str) -> DownloadView:
        """Go on with what was paused or failed. Raises NotFound, and Refused when it is complete."""
        found = self._shelf.known(job)
        if found.status == "completed":
            raise Refused(f"{job} is complete: {found.of.model} is here")
        if found.status != "downloading":
            found = self._become(found, "downloading")
            self._say(found, "DownloadResumed", f"{format_size(found.done)} are here")
            self._begin(found)
        return self._view(found)

    async def cancel(self, job: str) -> DownloadView:
        """Give a download up: it is forgotten, and so are the bytes nobody else waits for.

        Raises NotFound, and Refused when it is complete: then there is a model to remove.
        """
        found = self._shelf.known(job)
        if found.status == "completed":
            raise Refused(
                f"{job} is complete: {found.of.model} is here",
                hint=f"`lmctl rm {found.of.model}` removes the model",
            )
        await self._halt(job)
        told = self._view(found)
        self._shelf.jobs.forget(job)
        others = {sha for each in self._shelf.jobs.read() if not each.over for sha in each.sha256s}
        for sha256 in set(found.sha256s) - others:
            await self._shelf.blobs.abandon(f"sha256-{sha256}.part")
        self._say(found, "DownloadCancelled", "what was here of it is gone")
        return told

    def forget_all(self, of: HubModel) -> None:
        """Remember no more of a model that is removed."""
        for job in self._shelf.jobs.read():
            if job.of.model == of.model and job.over:
                self._shelf.jobs.forget(job.id)
        self._changed()

    def _begin(self, job: Download) -> None:
        task = asyncio.create_task(self._run(job))
        self._running[job.id] = task
        task.add_done_callback(lambda _: self._over(job.id, task))

    def _over(self, job: str, task: asyncio.Task[None]) -> None:
        if self._running.get(job) is task:
            del self._running[job]
            self._progress.pop(job, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("download broke", job=job, exc_info=error)
            self._fail(self._shelf.known(job), f"{type(error).__name__}: {error}", "see daemon.log")
        self._changed()

    async def _halt(self, job: str) -> None:
        if (task := self._running.get(job)) is not None:
            task.cancel()
            await asyncio.wait({task})

    async def _run(self, job: Download) -> None:
        """Fetch it, trying again as long as there is hope."""
        fruitless, before = 0, self._done(job)
        while True:
            try:
                async with self._places:
                    return await self._fetch(job)
            except (LmctlError, OSError) as error:
                problem = problem_of(error)
            fruitless = fruitless + 1 if self._done(job) <= before else 1
            before = self._done(job)
            lasting = failure_kind(problem) is not FailureKind.TRANSIENT
            if lasting or fruitless >= _TRIES:
                return self._fail(job, str(problem), problem.hint or "")
            wait = min(retry_after(problem) or 2.0**fruitless, _LONGEST_WAIT)
            note = f"{problem}; next try in {wait:.0f} s"
            job = self._become(job, "downloading", message=note, done=before)
            await self._sleep(wait)
            job = self._become(job, "downloading", done=before)

    async def _fetch(self, job: Download) -> None:
        weights = job.of.weights
        stored = await self._shelf.store.fetch(weights, lambda each: self._hear(job.id, each))
        note = ""
        try:
            self._shelf.tree.link(weights, stored)
        except (Refused, OSError) as error:
            note = f"not linked in the models folder: {error}"
        self._shelf.kept.keep(job.of)
        job = msgspec.structs.replace(job, total=stored.size, completed_at=self._clock())
        job = self._become(job, "completed", done=stored.size, message=note)
        self._say(job, "DownloadCompleted", f"{format_size(stored.size)} from {stored.source}")
        self._ring()

    def _hear(self, job: str, progress: Progress) -> None:
        before = self._progress.get(job, progress).done  # what the first word tells was here before
        self._came(max(progress.done - before, 0))
        self._progress[job] = progress
        self._changed()

    def _fail(self, job: Download, message: str, hint: str) -> None:
        failed = msgspec.structs.replace(job, hint=hint)
        self._become(failed, "failed", message=message, done=self._done(job))
        told = f"{message}; {hint}" if hint else message
        self._tell(f"model/{job.of.model}", "DownloadFailed", told, "warning")

    def _become(
        self, job: Download, status: Status, *, message: str = "", done: int | None = None
    ) -> Download:
        hint = job.hint if status == "failed" else ""
        changed = msgspec.structs.replace(
            job,
            status=status,
            message=message,
            hint=hint,
            done=job.done if done is None else done,
        )
        self._keep(changed)
        return changed

    def _keep(self, job: Download) -> None:
        self._shelf.jobs.keep(job)
        self._changed()

    def _say(self, job: Download, reason: str, message: str) -> None:
        self._tell(f"model/{job.of.model}", reason, message, "info")

    def _done(self, job: Download) -> int:
        progress = self._progress.get(job.id)
        return progress.done if progress is not None else job.done

    def _view(self, job: Download) -> DownloadView:
        progress = self._progress.get(job.id)
        rate = progress.rate if progress is not None else 0.0
        return view_of(job, done=self._done(job), rate=rate, now=self._clock())


def downloads_of(see: Eyes, ears: Ears) -> Downloading:
    """Wire the downloads of a home; they are done over the same store the box looks at."""
    return Downloading(shelf_of(see), ears, clock=time.time)


def _already(of: HubModel) -> DownloadView:
    repo = f"{of.user}/{of.repo}"
    return DownloadView("", of.model, repo, of.file, of.quantization, "already_downloaded")
