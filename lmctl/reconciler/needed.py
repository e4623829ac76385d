"""Which stored weights and installed runtimes are needed: by the manifests of now and of the generations that are kept, by
their locks, and by every runner there is.
"""

from collections.abc import Sequence
from pathlib import Path

from lmctl.adapters.revisions import Revisions
from lmctl.adapters.runner_folders import all_folders
from lmctl.adapters.runtimes.folders import Environments
from lmctl.adapters.weights.collecting import Roots
from lmctl.base.errors import Refused
from lmctl.planning.resolve import HostFacts
from lmctl.reconciler.reading import LastGood, ReadResult, read_folders, read_revision


def needed(
    folders: Sequence[Path],
    *,
    host: HostFacts,
    last_good: LastGood,
    revisions: Revisions,
    runners: Path,
    environments: Environments,
) -> Roots:
    """Return the roots of what must stay.

    Raises Refused when folders are followed and nothing good is known of them: then anything may
    be needed.
    """
    readings = _readings(folders, host, last_good, revisions)
    good = [each for each in readings if not each.fatal]
    if folders and not good:
        raise Refused(
            "nothing good was ever read of the followed folders, so it is not known what is needed",
            hint="correct the manifests first: lmctl validate DIR",
        )
    locked = [each.entry for reading in readings for each in reading.bundle.locked.values()]
    pinned = {file.sha256 for entry in locked for source in entry.sources for file in source.files}
    specs = [each.spec() for each in all_folders(runners)]
    loaded = {
        file.sha256 for spec in specs if spec is not None for file in (*spec.weights, *spec.draft)
    }
    keys = {weights.key for each in good for weights in each.desired.weights}
    builds = [runtime.build for each in good for runtime in each.desired.runtimes]
    installed = {environments.folder_of(each).name for each in builds if each is not None}
    running = {Path(spec.python).parents[1].name for spec in specs if spec and spec.python}
    return Roots(frozenset(keys), frozenset(pinned | loaded), frozenset(installed | running))


def _readings(
    folders: Sequence[Path], host: HostFacts, last_good: LastGood, revisions: Revisions
) -> list[ReadResult]:
    found = [read_folders(folders, host)] if folders else []
    if (last := last_good.read(host)) is not None:
        found.append(last)
    kept = [revisions.read(each) for each in revisions.digests()]
    return found + [read_revision(each.files, host) for each in kept if each is not None]
