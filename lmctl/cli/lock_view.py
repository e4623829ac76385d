"""What `lmctl lock` did, or would have to do, as one value and as text."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from lmctl.base.digests import short
from lmctl.base.quantities import format_size
from lmctl.manifests.lock import LockedSource
from lmctl.planning.locking import Wish


class State(StrEnum):
    """How a source came out of it."""

    KEPT = "kept"
    ADDED = "added"
    CHANGED = "changed"
    MISSING = "missing"
    DROPPED = "dropped"


_SYMBOLS = {State.ADDED: "+", State.CHANGED: "~", State.MISSING: "!", State.DROPPED: "-"}


class LockedFileView(msgspec.Struct, frozen=True):
    """One file; `size` in bytes."""

    path: str
    size: int
    sha256: str


class SourceView(msgspec.Struct, frozen=True, omit_defaults=True):
    """One source; `reason` says why it is not locked, or what changed."""

    model: str
    source: str
    state: State
    reason: str = ""
    commit: str | None = None
    files: tuple[LockedFileView, ...] = ()


class FileView(msgspec.Struct, frozen=True):
    """One lock file; `changed`: it is not, or was not, what it should be."""

    path: str
    models: int
    changed: bool


class LockView(msgspec.Struct, frozen=True):
    """All lock files, and every source that is or should be in one of them."""

    locks: tuple[FileView, ...]
    sources: tuple[SourceView, ...]

    @property
    def complete(self) -> bool:
        return not any(each.state is State.MISSING for each in self.sources)

    @property
    def fresh(self) -> bool:
        """Say whether the files were as they should be to begin with."""
        return self.complete and not any(each.changed for each in self.locks)


def source_views(
    wished: Sequence[Wish],
    locked: Mapping[Wish, LockedSource],
    failed: Mapping[Wish, str],
    dropped: Iterable[str],
) -> tuple[SourceView, ...]:
    """Return every source with how it came out; `failed` has the reason of those not resolved."""
    found = [_view(each, locked.get(each), failed.get(each, "")) for each in wished]
    gone = [
        SourceView(each, "", State.DROPPED, "no longer declared") for each in dict.fromkeys(dropped)
    ]
    return tuple(sorted([*found, *gone], key=lambda each: each.model))


def render_lock(view: LockView) -> str:
    """Return what changed, a line each, and how every file is."""
    told = [each for each in view.sources if each.state is not State.KEPT]
    width = max((len(each.model) for each in told), default=0)
    lines = [f"  {_SYMBOLS[each.state]} {each.model:<{width}}  {_words(each)}" for each in told]
    for each in view.locks:
        models = f"{each.models} model{'' if each.models == 1 else 's'}"
        lines.append(f"{each.path}: {models}{'' if each.changed or told else ', up to date'}")
    return "\n".join(lines)


def disagreements(locked: Mapping[Wish, LockedSource]) -> Iterator[str]:
    """Yield a sentence per model whose sources are not of the same bytes."""
    found: dict[str, set[str]] = {}
    for wish, source in locked.items():
        found.setdefault(wish.model, set()).add(source.files[0].sha256)
    for model, digests in sorted(found.items()):
        if len(digests) > 1:
            yield (
                f"the sources of {model} have different bytes:"
                " which are loaded depends on which source answers"
            )


def _view(wish: Wish, locked: LockedSource | None, failed: str) -> SourceView:
    if locked is None or failed:
        stays = "; what was locked stays" if locked is not None else ""
        return SourceView(wish.model, wish.words, State.MISSING, f"{failed}{stays}")
    state = State.ADDED if wish.locked is None else State.CHANGED
    state = State.KEPT if locked == wish.locked else state
    files = tuple(LockedFileView(each.path, each.size, each.sha256) for each in locked.files)
    reason = _difference(wish.locked, locked) if state is State.CHANGED and wish.locked else ""
    return SourceView(wish.model, wish.words, state, reason, locked.commit, files)


def _difference(old: LockedSource, new: LockedSource) -> str:
    before, after = old.files[0], new.files[0]
    if before.sha256 != after.sha256:
        return f"sha256 {short(before.sha256)} -> {short(after.sha256)}"
    if old.commit != new.commit:
        return f"commit {short(old.commit or '')} -> {short(new.commit or '')}, same {after.path}"
    return "same main file, other files or wheels"


def _words(view: SourceView) -> str:
    if view.state is State.DROPPED:
        return view.reason
    if view.state in (State.MISSING, State.CHANGED):
        return f"{view.source}: {view.reason}"
    size = format_size(sum(each.size for each in view.files))
    files = f"{len(view.files)} file{'' if len(view.files) == 1 else 's'}, {size}"
    commit = f", commit {short(view.commit)}" if view.commit else ""
    return f"{view.source}: {files}{commit}"
