"""Numbers what comes into force and keeps its files, so that it can be compared and brought back."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import structlog

from lmctl.adapters.files import read_if_there
from lmctl.adapters.git import Commit
from lmctl.adapters.revisions import Revision, Revisions
from lmctl.adapters.state.database import Clock, StateUnwritable
from lmctl.adapters.state.generations import Generation, Generations
from lmctl.base.errors import NotFound, Refused
from lmctl.base.faults import point
from lmctl.planning.pauses import Hold
from lmctl.planning.surface import Health

log = structlog.get_logger("lmctl.daemon")


@dataclass(frozen=True, slots=True)
class InForce:
    """What is to be: its digest and files, and the folders they are from.

    With a `hold` it is that earlier generation; `resumed`: such a hold was just ended on request.
    `keep` is how many contents before it are worth keeping.
    """

    digest: str
    files: Mapping[str, bytes]
    roots: tuple[str, ...]
    keep: int
    hold: Hold | None = None
    resumed: bool = False


class History:
    """The generations of a box with their contents. `commit_of` knows a folder's commit."""

    def __init__(
        self,
        generations: Generations,
        revisions: Revisions,
        *,
        commit_of: Callable[[Path], Commit | None],
        clock: Clock,
    ) -> None:
        self._generations = generations
        self._revisions = revisions
        self._commit_of = commit_of
        self._clock = clock

    async def number(self, content: InForce) -> int:
        """Return the number of what is in force: the last one's if that has the same digest.

        A new one is on the disk, contents first, before this returns, unless that cannot be
        written, which is logged: a full disk must not keep the box from being what it should be.
        """
        last = self._generations.last()
        if last is not None and last.digest == content.digest:
            return last.number
        number = last.number + 1 if last else 1
        try:
            await self._add(number, content)
        except (OSError, StateUnwritable) as error:
            log.error("cannot keep a generation", generation=number, why=str(error))  # noqa: TRY400 # its words say all
        return number

    def files(self, digest: str) -> Mapping[str, bytes] | None:
        """Return the files of a content by path, or None when they are not kept."""
        revision = self._revisions.read(digest)
        return revision.files if revision else None

    def get(self, number: int) -> Generation:
        """Return a generation. Raises NotFound."""
        found = self._generations.get(number)
        if found is None:
            last = self._generations.last()
            hint = f"the last one is {last.number}" if last else "there is none yet"
            raise NotFound(f"there is no generation {number}", hint=hint)
        return found

    def files_of(self, generation: Generation) -> Mapping[str, bytes]:
        """Return the files of a generation by path. Raises NotFound when they are not kept."""
        files = self.files(generation.digest)
        if files is None:
            kept = [str(each.number) for each in self._generations.all() if self.keeps(each)]
            hint = f"kept: {', '.join(kept) or 'none'} (`reconcile.keepGenerations` says how many)"
            raise NotFound(f"the files of generation {generation.number} are not kept", hint=hint)
        return files

    def keeps(self, generation: Generation) -> bool:
        """Say whether the files of a generation are kept."""
        return generation.digest in self._revisions

    def before(self, digest: str) -> Generation | None:
        """Return the newest generation of another content that converged and is kept."""
        for each in reversed(self._generations.all()):
            if each.digest != digest and each.result == "converged" and self.keeps(each):
                return each
        return None

    def target(self, number: int | None) -> Generation:
        """Return a generation to go back to: by default the last one that converged before what is
        in force.

        Raises NotFound when there is none such or its files are not kept, Refused when it is what
        is in force.
        """
        last = self._generations.last()
        if last is None:
            raise Refused("nothing was applied yet, so there is nothing to go back to")
        found = self.before(last.digest) if number is None else self._generations.get(number)
        if found is None:
            missing = f"generation before {last.number} that converged and is kept"
            raise NotFound(
                f"there is no {missing if number is None else f'generation {number}'}",
                hint="`lmctl history` shows what there is",
            )
        if found.digest == last.digest:
            raise Refused(f"generation {found.number} is what is in force already")
        self.files_of(found)
        return found

    def turn_back(
        self, number: int | None, *, source_digest: str, by: str = "", reason: str = ""
    ) -> Hold:
        """Return the hold that brings a generation back, chosen as `target` says. `source_digest` is
        what the folders say now and what will not be applied.
        """
        found = self.target(number)
        if not source_digest:
            raise Refused("the folders were not read yet", hint="try again in a moment")
        return Hold(source_digest, found.number, found.digest, self._clock(), by, reason)

    def restore(self, floor: int) -> int:
        """Give what is kept its numbers again where nothing has any: the database was lost.

        The newest becomes at least number `floor`, so that numbers never go back. Returns how many
        were restored.
        """
        if self._generations.last() is not None:
            return 0
        found = [self._revisions.read(each) for each in self._revisions.digests()]
        kept = sorted((each for each in found if each is not None), key=lambda each: each.at)
        for each in kept:
            last = self._generations.last()
            number = max(each.generation, last.number + 1 if last else 1)
            number = max(number, floor) if each is kept[-1] else number
            self._generations.add(Generation(number, each.digest, each.at, each.roots))
        return len(kept)

    async def _add(self, number: int, content: InForce) -> None:
        now, hold = self._clock(), content.hold
        revision = Revision(content.digest, number, now, content.roots, dict(content.files))
        await asyncio.to_thread(self._revisions.keep, revision)
        point("generation.kept")
        source = await self._source(content)
        self._generations.add(
            Generation(
                number=number,
                digest=content.digest,
                at=now,
                roots=content.roots,
                cause="rollback" if hold else "resume" if content.resumed else "edit",
                of=hold.generation if hold else 0,
                commit=source.id if source else "",
                author=source.author if source else "",
                title=source.subject if source else "",
                dirty=source.dirty if source else False,
            )
        )
        point("generation.recorded")
        self._revisions.collect(self._wanted(content.keep, hold))

    async def _source(self, content: InForce) -> Commit | None:
        """Return the commit a content comes from: that of the folder, or of the earlier generation."""
        if content.hold is None:
            return await asyncio.to_thread(self._commit_of, Path(content.roots[0]))
        before = self._generations.get(content.hold.generation)
        if before is None or not before.commit:
            return None
        return Commit(before.commit, before.author, before.title, before.dirty)

    def _wanted(self, keep: int, hold: Hold | None) -> set[str]:
        """Return the digests of the current content, of `keep` others before it, and of the hold."""
        newest_first = [each.digest for each in reversed(self._generations.all())]
        wanted = set(list(dict.fromkeys(newest_first))[: keep + 1])
        return wanted | ({hold.digest, hold.target} if hold else set())


def last_number(run: Path) -> int:
    """Return the last generation the gateway was told of, 0 when it was told of none."""
    content = read_if_there(run / "health.json")
    try:
        return msgspec.json.decode(content, type=Health).generation if content else 0
    except msgspec.DecodeError:
        return 0
