"""What a step works with, as text: when it changes, a step that could not work may now."""

from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import FetchWeights, LinkWeights, LoadInstance, Step, VerifyWeights
from lmctl.planning.weights_values import FileSource, Weights


def inputs_of(step: Step, observed: ObservedState) -> str:
    """Return it; empty for a step that works with nothing but what is declared.

    Edits of the manifests need not be part of it: they forgive every step.
    """
    match step:
        case LoadInstance(instance):
            runtime = observed.runtimes.get(instance.runtime)
            version = runtime.version if runtime else ""
            return " ".join((version, *observed.sha256_of_all(instance.all_weights)))
        case FetchWeights(weights) | VerifyWeights(weights) | LinkWeights(weights):
            return _of_weights(weights, observed)
    return ""


def _of_weights(weights: Weights, observed: ObservedState) -> str:
    seen = observed.seen_weights(weights.key)
    files = [each.path for each in weights.sources if isinstance(each, FileSource)]
    marks = [observed.source_files.get(path, "") for path in files]
    return f"{weights.sources} {seen.state} {seen.reason} {marks}"
