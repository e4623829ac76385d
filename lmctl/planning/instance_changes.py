"""What differs between the runner of an instance there is and the one there should be."""

from collections.abc import Iterator

from lmctl.base.changes import ChangeClass
from lmctl.base.digests import short
from lmctl.planning.load_settings import load_changes
from lmctl.planning.observed import ObservedState, SeenRunner
from lmctl.planning.plan import FieldChange
from lmctl.planning.rollout import Rollout


def instance_changes(rollout: Rollout, observed: ObservedState) -> tuple[FieldChange, ...]:
    """Return every field that makes a new process necessary; none without an old one that runs, or
    was ended to make room.
    """
    old = next((each for each in rollout.others if each.alive or each.retired), None)
    if old is None or old.spec_digest == rollout.want.spec_digest:
        return ()
    return tuple(_changes(old, rollout, observed))


def _changes(old: SeenRunner, rollout: Rollout, observed: ObservedState) -> Iterator[FieldChange]:
    want, places = rollout.want, rollout.want.places
    settings = tuple(load_changes(old.load, want.load, places))
    yield from settings
    wanted = str(want.build) if want.build else want.runtime
    if old.engine and (old.engine != want.engine or old.build != str(want.build or "")):
        place = places.get("runtime", "")
        yield FieldChange("runtime", old.build or old.engine, wanted, ChangeClass.REPLACE, place)
    elif old.model and old.model != want.model:
        place = places.get("model", "")
        yield FieldChange("model", old.model, want.model, ChangeClass.REPLACE, place)
    elif not settings:  # the same model with the same settings: from somewhere else
        yield _of_weights(old, rollout, observed)


def _of_weights(old: SeenRunner, rollout: Rollout, observed: ObservedState) -> FieldChange:
    want = rollout.want
    source = next((str(each) for each in want.weights.sources), "")
    stored = observed.sha256_of(want.weights.key)
    new = f"sha256 {short(stored[0])} from {source}" if stored else source
    was = f"sha256 {short(old.weights[0])}" if old.weights else "what was loaded"
    return FieldChange("weights", was, new, ChangeClass.REPLACE, want.places.get("weights", ""))
