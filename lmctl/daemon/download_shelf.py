"""What downloads by request work with: where they end up, what is remembered, who is told."""

from collections.abc import Callable
from dataclasses import dataclass

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.by_request import Downloaded, DownloadJobs
from lmctl.adapters.weights.fetch_errors import WeightsUnavailable
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.adapters.weights.partial_file import arrived
from lmctl.adapters.weights.store import WeightsStore
from lmctl.base.errors import LmctlError, NotFound, Refused
from lmctl.daemon.wiring import Eyes
from lmctl.planning.downloads import Download, HubModel
from lmctl.planning.weights_values import WeightsState


@dataclass(frozen=True, slots=True)
class Ears:
    """Who is told what. `tell` writes an event: subject, reason, message, level; `changed` is called
    after every progress, `ring` when a model came, `came` with the bytes that travelled.
    """

    tell: Callable[[str, str, str, str], object]
    changed: Callable[[], None]
    ring: Callable[[], None]
    came: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where downloads end up, and what is remembered of them."""

    store: WeightsStore
    tree: ModelsTree
    blobs: Blobs
    jobs: DownloadJobs
    kept: Downloaded

    def known(self, job: str) -> Download:
        """Return a job. Raises NotFound when none of this id is remembered."""
        for each in self.jobs.read():
            if each.id == job:
                return each
        raise NotFound(f"no download {job!r}", hint="`lmctl downloads ls` lists them")

    def unfinished(self, job: str) -> Download:
        """Return a job that something may still happen to. Raises NotFound, or Refused."""
        found = self.known(job)
        if found.over:
            raise Refused(f"{job} is {found.status} already")
        return found

    def is_here(self, of: HubModel) -> bool:
        """Say whether exactly this was downloaded and is whole, as far as a look tells."""
        seen = self.store.look(of.weights)
        return of in self.kept.read() and seen.state is WeightsState.STORED

    def on_disk(self, sha256: str) -> int:
        """Return the bytes of a file that are here, finished or on their way."""
        blob = self.blobs.path(sha256)
        if blob.exists():
            return blob.stat().st_size
        return arrived(self.blobs.partial(f"sha256-{sha256}"))


def shelf_of(see: Eyes) -> Shelf:
    """Return the shelf of a home, over the same store the box looks at."""
    root = see.home.root
    return Shelf(see.weights, see.tree, Blobs(root), DownloadJobs(root), see.downloaded)


def problem_of(error: LmctlError | OSError) -> LmctlError:
    """Return what went wrong with the only source a download has."""
    match error:
        case WeightsUnavailable() if len(error.errors) == 1:
            return error.errors[0]
        case LmctlError():
            return error
    return LmctlError(f"cannot store it: {error}")
