"""Rule: every engine an instance needs is installed and passed its self-test."""

from collections.abc import Iterator

from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import EnsureRuntime, Planned


def runtimes(desired: DesiredState, observed: ObservedState) -> Iterator[Planned]:
    """Plan the self-test of runtimes not yet seen working."""
    for runtime in desired.runtimes:
        if runtime.name not in observed.runtimes:
            users = [each.name for each in desired.instances if each.runtime == runtime.name]
            because = f"needed by instance {', '.join(users)}"
            yield Planned(EnsureRuntime(runtime), because)
