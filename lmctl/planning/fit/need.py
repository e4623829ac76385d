"""What a wanted instance will take on this box, by all that is known: its weights' header, or at
least their size, the processor, and what was measured here before.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from lmctl.base.spec import EngineName, LoadSettings
from lmctl.planning.desired import WantedInstance
from lmctl.planning.embedding import as_embedding
from lmctl.planning.fit.cache import step_tokens
from lmctl.planning.fit.estimate import Confidence, Estimate, estimate
from lmctl.planning.fit.learned import Excess, MemoryPeak, corrected, of_weights
from lmctl.planning.fit.placing import Tenant
from lmctl.planning.fit.weights import USUAL
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.observed import ObservedState, SeenRunner

_ENGINES: Final[dict[str, EngineName]] = {"echo": "echo", "mlx": "mlx"}


def need(want: WantedInstance, observed: ObservedState) -> Estimate | None:
    """Return what an instance will take, or None while nothing is known of its weights."""
    draft = facts_of(want.draft.key, observed) if want.draft is not None else None
    if want.draft is not None and draft is None:
        return None
    runtime = observed.runtimes.get(want.runtime)
    digests = observed.sha256_of_all(want.all_weights)
    return estimated(
        facts_of(want.weights.key, observed),
        want.load,
        want.engine,
        features=observed.host.cores.features if observed.host else USUAL,
        known=of_weights(observed.peaks, digests, runtime.version if runtime else ""),
        draft=draft,
    )


def facts_of(key: str, observed: ObservedState) -> ModelFacts | None:
    """Return the facts of weights: from their header, or what a source says of their size."""
    if key in observed.facts:
        return observed.facts[key]
    stored = observed.seen_weights(key).stored
    size = stored.size if stored else observed.downloads.get(key)
    return ModelFacts(weights_size=size) if size else None


def estimated(
    facts: ModelFacts | None,
    load: LoadSettings,
    engine: EngineName,
    *,
    features: Iterable[str] = USUAL,
    known: Iterable[MemoryPeak] = (),
    draft: ModelFacts | None = None,
) -> Estimate | None:
    """Return an estimate, corrected by the peaks that are known of the same weights; `draft` is of a
    model that is loaded beside.
    """
    instructions = tuple(features)
    plain = estimate(facts, load, engine, features=instructions, draft=draft)
    if plain is None:
        return None
    measured = []
    for each in known:
        did = _did(each, facts)
        foreseen = estimate(facts, did, engine, features=instructions, draft=draft)
        if foreseen is not None:
            measured.append(Excess(each, each.peak - foreseen.total))
    whole = load
    if facts is not None and facts.embeds:
        whole = as_embedding(load, facts.context_length)
    return corrected(plain, load, measured, step=step_tokens(whole))


def _did(peak: MemoryPeak, facts: ModelFacts | None) -> LoadSettings:
    """Return the settings under which a step is as wide as the widest that was computed."""
    step = max(1, peak.step)
    did = msgspec.structs.replace(peak.settings, physical_batch_size=step)
    if facts is None or not facts.embeds:
        return did
    return msgspec.structs.replace(did, context_length=min(step, did.context_length))


def needed(want: WantedInstance, observed: ObservedState) -> int | None:
    """Return the bytes an instance will take: what it declares itself, else the estimate; None while
    not even its cache can be foreseen.
    """
    if want.memory is not None:
        return want.memory
    found = need(want, observed)
    return None if found is None or found.confidence is Confidence.LOW else found.total


def candidate(want: WantedInstance, observed: ObservedState) -> Tenant | None:
    """Return a wanted instance as a tenant, or None while nothing is known of its weights."""
    found = need(want, observed)
    if want.memory is not None:
        return Tenant(want.name, want.memory, priority=want.priority)
    if found is None:
        return None
    weights = ",".join(observed.sha256_of_all(want.all_weights))
    return Tenant(want.name, found.total, weights, found.mapped, want.priority)


def tenant(
    seen: SeenRunner, observed: ObservedState, *, key: str = "", name: str = "", priority: int = 0
) -> Tenant:
    """Return a runner as a tenant: by its peak, or by what it will still grow to if that is more.

    `key` is of the weights its model has now: they are meant while it did not say what it loaded.
    """
    weights = seen.weights or observed.sha256_of(key)
    facts, draft = _facts_by(weights, observed)
    engine = _ENGINES.get(seen.engine, "llama.cpp")
    known = of_weights(observed.peaks, weights, observed.version_of(seen))
    features = observed.host.cores.features if observed.host else USUAL
    foreseen = estimated(facts, seen.load, engine, features=features, known=known, draft=draft)
    peak = max(seen.memory, seen.memory_peak)
    return Tenant(
        name or seen.name,
        max(peak, foreseen.total if foreseen else 0),
        weights=",".join(weights),
        mapped=foreseen.mapped if foreseen else 0,
        priority=priority,
    )


def _facts_by(
    digests: tuple[str, ...], observed: ObservedState
) -> tuple[ModelFacts | None, ModelFacts | None]:
    """Return the facts of what a runner loaded, and of the draft model behind it, if it has one."""
    for key, facts in observed.facts.items():
        own = observed.sha256_of(key)
        if own and digests[: len(own)] == own:
            rest = digests[len(own) :]
            of_rest = (
                f for k, f in observed.facts.items() if rest and observed.sha256_of(k) == rest
            )
            return facts, next(of_rest, None)
    return None, None
