"""Noting once an hour which stored weights and runtimes nobody needs, so that `lmctl gc` knows since when."""

import asyncio
import time
from pathlib import Path

import structlog

from lmctl.adapters.followed import Followed
from lmctl.adapters.home import Home
from lmctl.adapters.revisions import Revisions
from lmctl.adapters.runtimes.collecting import mark
from lmctl.adapters.weights.by_request import DownloadJobs
from lmctl.adapters.weights.collecting import Collector, Roots
from lmctl.base.errors import LmctlError
from lmctl.daemon.wiring import Eyes
from lmctl.reconciler.needed import needed
from lmctl.reconciler.reading import LastGood

log = structlog.get_logger("lmctl.daemon")

_SOON = 60.0
_EVERY = 3600.0


def needed_by(home: Home, see: Eyes) -> Roots:
    """Return what must stay in a home. Raises Refused when that cannot be known."""
    found = needed(
        [Path(each) for each in Followed(home.root / "roots.json").roots()],
        host=see.host(),
        last_good=LastGood(home.last_good),
        revisions=Revisions(home.revisions),
        runners=home.runners,
        environments=see.runtimes.environments,
    )
    asked = [each.weights.key for each in see.downloaded.read()]
    coming = [sha for job in DownloadJobs(home.root).read() if not job.over for sha in job.sha256s]
    keys, sha256s = found.keys.union(asked), found.sha256s.union(coming)
    return Roots(keys, sha256s, found.environments)


def _mark(collector: Collector, home: Home, see: Eyes) -> None:
    roots = needed_by(home, see)
    collector.mark(roots)
    mark(see.runtimes.environments, roots.environments, time.time)


async def mark_for_ever(home: Home, see: Eyes) -> None:
    """Note what is unused, soon after the start and then every hour."""
    collector = Collector(home.root, clock=time.time)
    await asyncio.sleep(_SOON)
    while True:
        try:
            await asyncio.to_thread(_mark, collector, home, see)
        except (LmctlError, OSError) as error:
            log.warning("cannot note what is unused", why=str(error))
        await asyncio.sleep(_EVERY)
