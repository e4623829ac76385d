"""From folders to a desired state, keeping the last good one when the newest is broken."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from lmctl.adapters.files import read_if_there, write_atomically
from lmctl.adapters.manifest_dir import scan
from lmctl.adapters.pauses import Pauses
from lmctl.adapters.revisions import Revisions
from lmctl.base.diagnostics import Diagnostic, Place, error
from lmctl.base.errors import LmctlError
from lmctl.manifests import bundle as bundles
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.lock import is_lock
from lmctl.manifests.secret_ref import SecretRef
from lmctl.planning import pruning
from lmctl.planning.desired import DesiredState
from lmctl.planning.pauses import Hold, suspend
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.turn import Reading
from lmctl.reconciler.history import History, InForce
from lmctl.reconciler.vanishing import Vanishing, lost_with
from lmctl.reconciler.wishes import Wishes


@dataclass(frozen=True, slots=True)
class ReadResult:
    """One reading: the bundle, what it resolves to, every problem, and the files' texts."""

    bundle: Bundle
    desired: DesiredState
    problems: tuple[Diagnostic, ...]
    files: Mapping[str, bytes]

    @property
    def fatal(self) -> bool:
        return any(each.fatal for each in self.problems)


ReadFiles = Callable[[Mapping[str, bytes]], bundles.Reading]


class LastRead:
    """Reads files like `bundles.read`, and gives the same files the same answer at once: most turns
    find every manifest as the turn before did.
    """

    def __init__(self) -> None:
        self._last: tuple[Mapping[str, bytes], bundles.Reading] | None = None

    def __call__(self, files: Mapping[str, bytes]) -> bundles.Reading:
        last = self._last
        if last is None or last[0] != files:
            last = self._last = files, bundles.read(files)
        return last[1]


def read_folders(
    roots: Sequence[Path],
    host: HostFacts,
    *,
    may_be_empty: bool = False,
    read: ReadFiles = bundles.read,
) -> ReadResult:
    """Read, check and resolve everything under the roots; problems are collected, not raised."""
    trouble: tuple[Diagnostic, ...] = ()
    files: Mapping[str, bytes] = {}
    try:
        found = scan(roots)
        files, trouble = found.files, tuple(found.diagnostics)
    except LmctlError as problem:
        trouble = (error(Place(str(roots[0])), str(problem), problem.hint),)
    if all(map(is_lock, files)) and not trouble:
        if may_be_empty:
            return ReadResult(bundles.read({}).bundle, DesiredState(0), (), {})
        hint = "nothing is unloaded for an empty folder; `lmctl daemon down` stops everything"
        trouble = (
            error(Place(str(roots[0])), "no manifests in this folder", hint, code=pruning.BLOCKED),
        )
    return _interpret(files, trouble, host, read)


def read_guarded(
    roots: Sequence[Path],
    host: HostFacts,
    before: ReadResult | None,
    *,
    allowed: int = 0,
    read: ReadFiles = bundles.read,
) -> ReadResult:
    """Read the folders; that they lost too much since `before` is a problem like any other.

    `allowed` is how many objects somebody said may go.
    """
    known = before.bundle if before is not None else None
    may_be_empty = pruning.may_be_empty(known, allowed=allowed)
    newest = read_folders(roots, host, may_be_empty=may_be_empty, read=read)
    if newest.fatal or known is None:
        return newest
    refused = pruning.refusal(known, newest.bundle, [str(each) for each in roots], allowed=allowed)
    return newest if refused is None else replace(newest, problems=(*newest.problems, refused))


def _interpret(
    files: Mapping[str, bytes],
    trouble: tuple[Diagnostic, ...],
    host: HostFacts,
    read: ReadFiles = bundles.read,
) -> ReadResult:
    reading = read(files)
    problems = (*trouble, *reading.diagnostics)
    if any(each.fatal for each in problems):
        return ReadResult(reading.bundle, DesiredState(0), problems, files)
    resolution = resolve(reading.bundle, host)
    return ReadResult(
        reading.bundle, resolution.desired, (*problems, *resolution.diagnostics), files
    )


def read_revision(files: Mapping[str, bytes] | None, host: HostFacts) -> ReadResult:
    """Return what a kept generation means today; None for its files is a problem too."""
    if files is None:
        hint = "`lmctl history` shows which are kept; `lmctl resume` ends a rollback"
        gone = error(Place("revisions"), "the files of that generation are not kept any more", hint)
        return _interpret({}, (gone,), host)
    return _interpret(files, (), host)


def _resolved_anew(known: ReadResult | None, host: HostFacts) -> ReadResult | None:
    """Return what those files mean on the host as it is now: something may have been loaded by hand
    since, or put into the models folder.
    """
    if known is None or not known.files:
        return known
    fresh = _interpret(known.files, (), host)
    return known if fresh.fatal else fresh


class LastGood:
    """The files of the last bundle without a fatal problem, kept for the next daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self, files: Mapping[str, bytes]) -> None:
        write_atomically(self._path, msgspec.msgpack.encode(dict(files)))

    def read(self, host: HostFacts) -> ReadResult | None:
        """Return what those files say today, or None when there are none."""
        content = read_if_there(self._path)
        if content is None:
            return None
        files = msgspec.msgpack.decode(content, type=dict[str, bytes])
        if not files:
            return ReadResult(bundles.read({}).bundle, DesiredState(0), (), {})
        result = _interpret(files, (), host)
        return None if result.fatal else result


def remembered(
    last_good: LastGood, pauses: Pauses, revisions: Revisions, host: HostFacts
) -> Reading:
    """Return what a daemon would want if no folder could be read: the last good files, or the
    generation that was rolled back to, without what is suspended.
    """
    found, hold = last_good.read(host), pauses.hold()
    if found is None:
        return Reading(None)
    if hold is not None and found.bundle.digest == hold.digest:
        revision = revisions.read(hold.target)
        found = read_revision(revision.files if revision else None, host)
        if found.fatal:
            return Reading(None, found.problems, hold=hold)
    else:
        hold = None
    return Reading(suspend(found.desired, pauses.suspensions()), hold=hold)


@dataclass(frozen=True, slots=True)
class _InForce:
    """What is to be now, with every problem; `result` is None where nothing good is known.

    `hold`: it is an earlier generation. `ended`: that hold is over, the folders say something new.
    `due`: seconds until files that are missing are believed to be gone.
    """

    result: ReadResult | None
    problems: tuple[Diagnostic, ...]
    hold: Hold | None = None
    ended: Hold | None = None
    due: float | None = None


class FolderReader:
    """Reads the followed folders once per turn.

    `history` gives a digest its generation, `wishes` knows what people asked to be left alone, and
    `vanishing` when a missing file is gone (at once without it). With nothing to follow there is
    nothing desired.
    """

    def __init__(
        self,
        *,
        roots: Callable[[], Sequence[str]],
        host: Callable[[], HostFacts],
        history: History,
        last_good: LastGood,
        wishes: Wishes,
        vanishing: Vanishing | None = None,
    ) -> None:
        self._roots = roots
        self._host = host
        self._history = history
        self._last_good = last_good
        self._wishes = wishes
        self._vanishing = vanishing or Vanishing(0.0, lambda: 0.0)
        self._read_files = LastRead()
        self._good: ReadResult | None = None
        self._earlier: ReadResult | None = None
        self.digest = ""  # of what is in force
        self.token_secrets: Mapping[str, SecretRef] = {}  # where its tokens are found, by name
        self._problems: tuple[Diagnostic, ...] = ()
        self._believe = False
        self._allowed = 0

    @property
    def source_digest(self) -> str:
        """Return the digest of the last good reading of the folders; empty before there is one."""
        return self._good.bundle.digest if self._good else ""

    @contextmanager
    def taking_at_its_word(self, *, allow_prune: int = 0) -> Iterator[None]:
        """While this lasts, what the folders say now is meant: a person asked for it. As many as
        `allow_prune` of their objects may go.
        """
        self._believe, self._allowed = True, allow_prune
        try:
            yield
        finally:
            self._believe, self._allowed = False, 0

    async def read(self) -> Reading:
        """Return what is desired now; None where nothing good was ever read."""
        roots = tuple(self._roots())
        if not roots:
            return Reading(None)
        now = await asyncio.to_thread(self._read, [Path(each) for each in roots])
        if now.ended is not None:
            self._wishes.over(now.ended)
        if now.result is None:
            return Reading(None, now.problems, hold=now.hold)
        bundle = now.result.bundle
        self.digest = bundle.digest
        tokens = bundle.server.spec.auth.tokens
        self.token_secrets = {each.name: each.secret_ref for each in tokens if each.secret_ref}
        number = await self._history.number(
            InForce(
                digest=bundle.digest,
                files=now.result.files,
                roots=roots,
                keep=bundle.server.spec.reconcile.keep_generations,
                hold=now.hold,
                resumed=self._wishes.resumed == bundle.digest,
            )
        )
        desired, end = self._wishes.suspend(with_generation(now.result.desired, number))
        due = min((each for each in (end, now.due) if each is not None), default=None)
        desired = self._wishes.limit(desired, bundle.digest)
        return Reading(desired, now.problems, due, now.hold)

    def _read(self, roots: Sequence[Path]) -> _InForce:
        host = self._host()
        self._good = self._good or self._last_good.read(host)
        newest = read_guarded(roots, host, self._good, allowed=self._allowed, read=self._read_files)
        early = self._too_early(newest, roots)
        if early or newest.fatal:
            self._good = _resolved_anew(self._good, host)
        if not early:
            self._problems = newest.problems
            self._take(newest)
        hold = self._wishes.hold()
        if hold is None or self._good is None:
            return _InForce(self._good, self._problems, due=early or None)
        if self._good.bundle.digest != hold.digest:
            return _InForce(self._good, self._problems, ended=hold)
        return self._rolled_back(hold, self._problems, host)

    def _take(self, newest: ReadResult) -> None:
        """Make the newest reading what the folders say, unless something is wrong with it."""
        if newest.fatal:
            return
        if self._good is None or self._good.bundle.digest != newest.bundle.digest:
            self._last_good.keep(newest.files)
        self._good = newest

    def _too_early(self, newest: ReadResult, roots: Sequence[Path]) -> float:
        """Return the seconds until it is clear that missing files are gone; 0 for now."""
        if self._good is None:
            return 0.0
        ours = tuple(f"{str(each).rstrip('/')}/" for each in roots)
        before = {path: text for path, text in self._good.files.items() if path.startswith(ours)}
        lost = lost_with(self._good.bundle, None if newest.fatal else newest.bundle)
        left = self._vanishing.left(before, newest.files, lost)
        if self._believe:
            self._vanishing.believe()
            return 0.0
        return left

    def _rolled_back(
        self, hold: Hold, problems: tuple[Diagnostic, ...], host: HostFacts
    ) -> _InForce:
        """Return the earlier generation; what it was before when it cannot be had any more."""
        found = read_revision(self._history.files(hold.target), host)
        if found.fatal:
            before = self._earlier
            kept = before if before and before.bundle.digest == hold.target else None
            return _InForce(kept, (*problems, *found.problems), hold)
        self._earlier = found
        return _InForce(found, problems, hold)


def with_generation(desired: DesiredState, number: int) -> DesiredState:
    """Return the same desired state as that generation."""
    surface = desired.surface
    if surface is not None:
        surface = msgspec.structs.replace(surface, generation=number)
    return replace(desired, generation=number, surface=surface)
