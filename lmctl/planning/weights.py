"""Rule: the weights of every declared model are on disk, verified and browsable."""

from collections.abc import Iterator, Sequence

from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import FetchWeights, LinkWeights, Planned, VerifyWeights
from lmctl.planning.scene import Scene
from lmctl.planning.weights_values import Weights, WeightsState


def weights(scene: Scene) -> Iterator[Planned]:
    """Plan what is missing, doubtful or not linked. Weights are never removed by a plan."""
    desired, observed = scene.desired, scene.observed
    users = _users(desired)
    for wanted in desired.weights:
        seen = observed.seen_weights(wanted.key)
        match seen.state:
            case WeightsState.ABSENT:
                because = _why_fetch(users.get(wanted.key, ()), reason=seen.reason)
                yield Planned(FetchWeights(wanted), because, download=_download(wanted, observed))
            case WeightsState.SUSPECT:
                yield Planned(VerifyWeights(wanted), seen.reason or "its files changed on disk")
            case WeightsState.STORED if not seen.linked:
                yield Planned(LinkWeights(wanted), "its links in the models tree are missing")
            case WeightsState.STORED:
                pass


def _download(wanted: Weights, observed: ObservedState) -> int | None:
    """Return the bytes to fetch: as locked, or as far as a source was asked."""
    if not wanted.pinned:
        return observed.downloads.get(wanted.key)
    return wanted.pinned[0].download(observed.seen_weights(wanted.key).here)


def _users(desired: DesiredState) -> dict[str, list[str]]:
    """Return the names of the instances that need each set of weights, by its key."""
    found: dict[str, list[str]] = {}
    for each in sorted(desired.instances, key=lambda each: each.name):
        for weights in each.all_weights:
            found.setdefault(weights.key, []).append(each.name)
    return found


def _why_fetch(users: Sequence[str], *, reason: str) -> str:
    because = f"needed by instance {', '.join(users)}" if users else "declared by its model.yaml"
    return f"{because}; {reason}" if reason else because
