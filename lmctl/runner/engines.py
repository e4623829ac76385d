"""Which engine a spec asks for; each is imported only when it is the one."""

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lmctl.base.spec import FailureKind, LoadSettings, RunnerSpec, WeightFile
from lmctl.planning.gguf_names import is_projector
from lmctl.runner.draft_model import DraftModel
from lmctl.runner.drafting import Drafter
from lmctl.runner.port import EmbeddingEngine, Engine, LoadFailed
from lmctl.runner.prompt_lookup import PromptLookup


def open_drafters(
    spec: RunnerSpec, engine: Engine, *, progress: Callable[[float], bool]
) -> tuple[Drafter, ...]:
    """Return what can guess tokens for the answers of an engine, the spec's draft model loaded.

    `progress` is as for `open_engine`. Raises LoadFailed.
    """
    if spec.load.drafter:
        _check_can_cut(engine, spec.model)
    if not spec.draft:
        return (PromptLookup(),)
    draft = _open_draft(spec, engine, progress)
    try:
        _check_can_cut(draft, spec.load.drafter)
    except LoadFailed:
        draft.close()
        raise
    model = DraftModel(spec.load.drafter, draft, vocabulary=engine.facts.vocabulary)
    return (PromptLookup(), model)


def refuse_drafter(spec: RunnerSpec) -> None:
    """Raise LoadFailed where something is to guess tokens for a model that makes none."""
    if spec.load.drafter:
        raise LoadFailed(
            f"{spec.model} answers with vectors: there are no tokens to guess",
            kind=FailureKind.CONFIG,
            hint="remove `speculativeDraftModel` and `speculativeDraftSimple` of the instance",
        )


def _open_draft(spec: RunnerSpec, engine: Engine, progress: Callable[[float], bool]) -> Engine:
    """Load the draft model with as many sequences, as long as the engine's."""
    load = msgspec.structs.replace(
        spec.load,
        context_length=engine.facts.context_length,
        drafter="",
        seed=None,
        chat_template=None,
        rope_frequency_base=None,
        rope_frequency_scale=None,
    )
    paths = [Path(each.path) for each in spec.draft if not is_projector(each.name)]
    if spec.engine == "echo":
        from lmctl.runner import echo

        return echo.EchoEngine(echo.load(paths[0], progress=progress), load)
    names = (spec.model, spec.load.drafter)
    if spec.engine == "mlx":
        return _open_mlx_draft(spec, load, engine, progress)
    from lmctl.runner.llamacpp import engine as llamacpp

    assert isinstance(engine, llamacpp.LlamaEngine)  # noqa: S101 - it was opened for this spec
    return llamacpp.load_draft(paths, load, engine, names=names, progress=progress)


def _check_can_cut(engine: Engine, model: str) -> None:
    if not engine.facts.can_cut:
        raise LoadFailed(
            f"{model} keeps a state that no token can be taken out of again, so speculative"
            " decoding cannot be had with it",
            kind=FailureKind.CONFIG,
            hint="remove `speculativeDraftModel` and `speculativeDraftSimple` of the instance",
        )


def open_engine(spec: RunnerSpec, *, progress: Callable[[float], bool]) -> Engine | EmbeddingEngine:
    """Load the spec's weights, one file or the parts of one model in order, into its engine.

    `progress` is called with 0..1 and returns False to give the load up. Raises LoadFailed.
    """
    if not spec.weights:
        raise LoadFailed(f"{spec.name} has no weights to load", kind=FailureKind.CONFIG)
    paths = [Path(each.path) for each in spec.weights if not is_projector(each.name)]
    beside = [Path(each.path) for each in spec.weights if is_projector(each.name)]
    if not paths or len(beside) > 1:
        raise LoadFailed(
            f"{spec.name} has {len(paths)} weights and {len(beside)} projectors, expected a model"
            " and one projector at most",
            kind=FailureKind.CONFIG,
        )
    match spec.engine:
        case "echo":
            from lmctl.runner import echo, echo_embedding

            script = echo.load(paths[0], progress=progress)
            made = echo_embedding.EchoEmbedder if script.embeds else echo.EchoEngine
            return made(script, spec.load)
        case "llama.cpp":
            from lmctl.runner.llamacpp import engine as llamacpp

            return llamacpp.load(
                paths,
                spec.load,
                progress=progress,
                meeting=Path(spec.socket).parent,
                projector=beside[0] if beside else None,
            )
        case "mlx":
            return _open_mlx(spec.weights, spec.load, progress)


def _open_mlx_draft(
    spec: RunnerSpec, load: LoadSettings, engine: Engine, progress: Callable[[float], bool]
) -> Engine:
    """Load a second MLX model, and check that it means the same by its tokens."""
    draft = _open_mlx(spec.draft, load, progress)
    ours, theirs = engine.pieces(), draft.pieces()
    common = min(len(ours), len(theirs))
    if ours[:common] != theirs[:common] or any(ours[common:]) or any(theirs[common:]):
        draft.close()
        raise LoadFailed(
            f"{spec.load.drafter} cannot guess tokens for {spec.model}: their vocabularies differ",
            kind=FailureKind.CONFIG,
            hint="a draft model must have the vocabulary of the model it guesses for: mostly a"
            " smaller one of the same family",
        )
    return draft


def _open_mlx(
    weights: Sequence[WeightFile], load: LoadSettings, progress: Callable[[float], bool]
) -> Engine:
    """Load an MLX folder, of which every file is weights. Raises LoadFailed."""
    try:
        from lmctl.runner.mlx import opening as mlx
    except ImportError as error:
        raise LoadFailed(
            f"MLX is not installed here: {error}",
            kind=FailureKind.CONFIG,
            hint="it comes with lmctl on Apple silicon; elsewhere install `lmctl[mlx]`",
        ) from error
    files = [(each.name, Path(each.path)) for each in weights]
    return mlx.load(files, load, progress=progress)
