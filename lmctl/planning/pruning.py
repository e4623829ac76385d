"""The guard before anything is taken down because its file is gone.

An edit that takes away most of a folder is more often a mistake (a wrong branch, a link that leads
elsewhere, a failed checkout) than a wish, so it is refused until somebody says that it is one.
Counted is what a removal takes down: instances, routes and the server; never what only lies there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lmctl.base.diagnostics import Diagnostic, Place, error
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.drift import Reconcile

BLOCKED = "PruneBlocked"
_KINDS = ("Instance", "Route", "Server")
_MOST_TOLD = 10

Identity = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Removal:
    """What a folder does not declare any more, of how many objects it declared; `all_gone`: it
    declares nothing at all.
    """

    root: str
    gone: tuple[str, ...]
    before: int
    all_gone: bool

    def __str__(self) -> str:
        told = ", ".join(self.gone[:_MOST_TOLD])
        more = len(self.gone) - _MOST_TOLD
        return f"{told} and {more} more" if more > 0 else told


def policy_of(before: Bundle, now: Bundle) -> Reconcile:
    """Return what counts while the server itself may be among what is gone."""
    declared = any(kind == "Server" for kind, _ in now.origins)
    return (now if declared else before).server.spec.reconcile


def removals(before: Bundle, now: Bundle, roots: Sequence[str]) -> Iterator[Removal]:
    """Yield what each of these folders lost; what only moved to another one is not lost."""
    kept = {*now.origins, *_renamed(now)}
    for root in roots:
        owned = _declared_in(before, root, roots)
        if not owned:
            continue
        counted = [each for each in owned if each[0] in _KINDS]
        gone = tuple(_said(each) for each in counted if each not in kept)
        all_gone = not _declared_in(now, root, roots) and not kept.issuperset(owned)
        if gone:
            yield Removal(root, gone, len(counted), all_gone)


def refusal(
    before: Bundle, now: Bundle, roots: Sequence[str], *, allowed: int = 0
) -> Diagnostic | None:
    """Return why what the folders say now may not come into force, or None.

    `allowed` is how many objects somebody said may go.
    """
    policy = policy_of(before, now)
    for each in removals(before, now, roots):
        if len(each.gone) > allowed and (reason := _reason(each, policy)):
            count = len(each.gone)
            return error(
                Place(each.root),
                f"{reason}; it would take down {count} of {each.before}: {each}",
                f"put them back, or allow it once with `lmctl apply --allow-prune {count} "
                f"{' '.join(roots)}`",
                code=BLOCKED,
            )
    return None


def may_be_empty(before: Bundle | None, *, allowed: int = 0) -> bool:
    """Say whether folders without any manifest are what somebody wants."""
    if before is None:
        return False
    count = sum(kind in _KINDS for kind, _ in before.origins)
    return before.empty or before.server.spec.reconcile.allow_empty or 0 < count <= allowed


def _reason(removal: Removal, policy: Reconcile) -> str:
    """Say in which way a removal is too much; empty when it is not."""
    if removal.all_gone:
        return "" if policy.allow_empty else "this folder declares nothing any more"
    if not policy.prune:
        server = any(each.startswith("server") for each in removal.gone)
        return "this edit removes the server that says `prune: false`" if server else ""
    count, share = len(removal.gone), 100 * len(removal.gone) / removal.before
    if count < 2 or share <= policy.max_prune_percent:
        return ""
    limit = f"`maxPrunePercent: {policy.max_prune_percent}` allows"
    return f"this edit removes {share:.0f} % of the folder's objects, more than {limit}"


def _declared_in(bundle: Bundle, root: str, roots: Sequence[str]) -> list[Identity]:
    """Return the objects whose files lie below a root, and not in another root inside it."""
    inner = [each for each in roots if each != root and _below(each, root)]
    return [
        identity
        for identity, declared in bundle.origins.items()
        if _below(file := declared.place().file, root)
        and not any(_below(file, each) for each in inner)
    ]


def _below(path: str, root: str) -> bool:
    return path.startswith(f"{root.rstrip('/')}/")


def _renamed(now: Bundle) -> Iterator[Identity]:
    """Yield the instances that are still there under another name."""
    for each in now.instances.values():
        if each.spec.renamed_from:
            yield "Instance", each.spec.renamed_from


def _said(identity: Identity) -> str:
    kind, name = identity
    return "server" if kind == "Server" else f"{kind.lower()}/{name}"
