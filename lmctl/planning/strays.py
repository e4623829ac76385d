"""Rule: no process of this home runs that nobody keeps track of."""

from collections.abc import Iterator

from lmctl.planning.end_stray import EndStray
from lmctl.planning.plan import Planned
from lmctl.planning.scene import Scene


def strays(scene: Scene) -> Iterator[Planned]:
    """Plan the end of each: clients cannot reach it, and it takes memory or a port."""
    for each in scene.observed.strays:
        step = EndStray(each.pid, each.started_at, kill=each.stopped)
        yield Planned(step, f"a {each.what} that nobody keeps track of")
