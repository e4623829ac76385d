"""The models that are here: as a daemon last wrote them down, and what was put there since."""

import time

from lmctl.adapters.home import Home
from lmctl.adapters.known_models import read_known_models
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.planning.known_models import KnownModel


def stored_models(home: Home) -> list[KnownModel]:
    """Return them by key. Only what no daemon has seen yet is looked into."""
    known = {each.key: each for each in read_known_models(home.run).models}
    new = {each.key for each in ModelsTree(home.root).local_models().models} - known.keys()
    if new:
        from lmctl.daemon.wiring import eyes
        from lmctl.planning.desired import DesiredState
        from lmctl.planning.known_models import known_models
        from lmctl.planning.observed import ObservedState

        others = eyes(home, clock=time.time).other_models(DesiredState(0))
        found = {key: each for key, each in others.items() if key in new}
        seen = known_models(DesiredState(0), ObservedState(), found)
        known |= {each.key: each for each in seen.models}
    return [known[key] for key in sorted(known)]
