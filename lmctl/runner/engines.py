"""Which engine a spec asks for; each is imported only when it is the one."""

from collections.abc import Callable
from pathlib import Path

from lmctl.base.spec import FailureKind, RunnerSpec
from lmctl.runner.drafting import Drafter
from lmctl.runner.port import Engine, LoadFailed
from lmctl.runner.prompt_lookup import PromptLookup


def open_drafters() -> tuple[Drafter, ...]:
    """Return what can guess tokens for the answers of an engine."""
    return (PromptLookup(),)


def open_engine(spec: RunnerSpec, *, progress: Callable[[float], bool]) -> Engine:
    """Load the spec's weights, one file or the parts of one model in order, into its engine.

    `progress` is called with 0..1 and returns False to give the load up. Raises LoadFailed.
    """
    if not spec.weights:
        raise LoadFailed(f"{spec.name} has no weights to load", kind=FailureKind.CONFIG)
    paths = [Path(each.path) for each in spec.weights]
    match spec.engine:
        case "echo":
            from lmctl.runner import echo

            return echo.load(paths[0], spec.load, progress=progress)
        case "llama.cpp":
            from lmctl.runner.llamacpp import engine as llamacpp

            return llamacpp.load(
                paths, spec.load, progress=progress, meeting=Path(spec.socket).parent
            )
