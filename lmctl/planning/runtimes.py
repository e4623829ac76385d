"""Rule: every engine an instance needs is installed and passed its self-test."""

from collections.abc import Iterator

from lmctl.planning.plan import EnsureRuntime, Planned
from lmctl.planning.scene import Scene


def runtimes(scene: Scene) -> Iterator[Planned]:
    """Plan the installation and self-test of runtimes not yet seen working."""
    desired, observed = scene.desired, scene.observed
    instances = (*desired.instances, *desired.asleep)
    for runtime in desired.runtimes:
        if runtime.name not in observed.runtimes:
            users = sorted(each.name for each in instances if each.runtime == runtime.name)
            because = f"needed by instance {', '.join(users)}" if users else "declared"
            fetched = None if runtime.build else 0
            yield Planned(EnsureRuntime(runtime), because, download=fetched)
