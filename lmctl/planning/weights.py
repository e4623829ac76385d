"""Rule: the weights of every declared model are on disk, verified and browsable."""

from collections.abc import Iterator

from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import FetchWeights, LinkWeights, Planned, VerifyWeights
from lmctl.planning.weights_values import Weights, WeightsState


def weights(desired: DesiredState, observed: ObservedState) -> Iterator[Planned]:
    """Plan what is missing, doubtful or not linked. Weights are never removed by a plan."""
    for wanted in desired.weights:
        seen = observed.seen_weights(wanted.key)
        match seen.state:
            case WeightsState.ABSENT:
                because = _why_fetch(wanted, desired, reason=seen.reason)
                yield Planned(
                    FetchWeights(wanted), because, download=observed.downloads.get(wanted.key)
                )
            case WeightsState.SUSPECT:
                yield Planned(VerifyWeights(wanted), seen.reason or "its files changed on disk")
            case WeightsState.STORED if not seen.linked:
                yield Planned(LinkWeights(wanted), "its links in the models tree are missing")
            case WeightsState.STORED:
                pass


def _why_fetch(wanted: Weights, desired: DesiredState, *, reason: str) -> str:
    users = [each.name for each in desired.instances if each.weights.key == wanted.key]
    because = f"needed by instance {', '.join(users)}" if users else "declared by its model.yaml"
    return f"{because}; {reason}" if reason else because
