"""What the control plane hands a runner, and what a runner says of itself.

The runner echoes `spec_digest` and the digests of the weights it really loaded; an instance is
Ready only when they are the declared ones (reconciler facts 3: "says Ready, serves something
else" is the worst failure there is).
"""

from enum import StrEnum
from typing import Any, Final, Literal

import msgspec

EngineName = Literal["llama.cpp", "mlx", "echo"]
ModelKind = Literal["text", "embedding"]
PROMPT_LOOKUP: Final = "prompt-lookup"
"""The drafter that needs no model, where a draft model is named."""
DRAFTED: Final = 16
"""Guessed tokens, of all sequences together, that there is room for where a drafter is declared."""


LLAMA_LIBRARY: Final = "LMCTL_LLAMA_LIBRARY"
"""The variable that names the file of a llama.cpp to run below the bindings lmctl came with."""
LLAMA_PACKAGE: Final = "LMCTL_LLAMA_PACKAGE"
"""The variable that says whose it is: package and version."""


class WeightFile(msgspec.Struct, frozen=True):
    """One verified file: `name` as published, `path` where it lies, and what stat said when its
    sha256 was last computed, so that an untouched file need not be hashed again.
    """

    name: str
    path: str
    sha256: str
    size: int
    mtime_ns: int
    inode: int


class GpuSplit(msgspec.Struct, frozen=True):
    """How a model is shared out over GPUs, which are numbered from 0 as the engine lists them.

    `evenly` by layers, in the order of `priority` with `priorityOrder`, by `ratio` (a share per GPU)
    with `custom`; `tensor` cuts every layer. Those in `disabled` get nothing.
    """

    strategy: Literal["evenly", "priorityOrder", "tensor", "custom"] = "evenly"
    disabled: tuple[int, ...] = ()
    priority: tuple[int, ...] = ()
    ratio: tuple[float, ...] = ()


class LoadSettings(msgspec.Struct, frozen=True):
    """Load-time settings, resolved (contract 3.2, `llm.load.*`). None leaves it to the engine.

    `context_length` is what one request may use, in tokens; `parallel` is the number of requests
    decoded together. `threads` None means: as many as the host gives. `drafter` is what guesses
    tokens for answers that do not say otherwise: `prompt-lookup`, or the model that is loaded
    beside for it; empty for nothing. The other `draft_*` are as in a call. `experts` is how many
    each token goes to, 0 for as many as the model says; of the layers on a GPU the share
    `cpu_experts` leaves its experts to the processor. `kv_quantized` is how MLX keeps keys
    and values: bits, numbers per group, and after how many tokens it begins. `keep_prefixes`: what
    was read is saved at the end, for the next runner. `thought_ending` is
    what ends a thought whose budget is used up, before the mark that does. `fit`: where memory is short it is loaded with
    less context, `fit_least` at least (0: no demand), and fewer requests at once.
    """

    context_length: int = 4096
    parallel: int = 4
    threads: int | None = None
    batch_size: int = 2048
    physical_batch_size: int = 512
    flash_attention: bool | None = None
    unified_kv: bool = False
    kv_key_type: str = "f16"
    kv_value_type: str = "f16"
    kv_quantized: tuple[int, int, int] | None = None
    offload_ratio: float = 1.0
    offload_kv: bool = True
    use_mmap: bool = True
    direct_io: bool = False
    keep_in_memory: bool = False
    experts: int = 0
    cpu_experts: float = 0.0
    gpus: GpuSplit = GpuSplit()
    rope_frequency_base: float | None = None
    rope_frequency_scale: float | None = None
    seed: int | None = None
    chat_template: str | None = None
    drafter: str = ""
    draft_most: int | None = None
    draft_least: int = 0
    draft_least_probability: float = 0.0
    keep_prefixes: bool = False
    thought_ending: str = ""
    fit: bool = False
    fit_least: int = 0

    @property
    def most_wanted(self) -> int:
        """Return after how many tokens of one step, all sequences together, one can be chosen."""
        return self.parallel + (DRAFTED if self.drafter else 0)


class RunnerSpec(msgspec.Struct, frozen=True):
    """Everything one runner process needs; written as `spec.json` in the runner's folder.

    `socket` is the unix socket it listens on, `queue` how many requests may wait for a slot and
    `queue_deadline` for how many seconds. `attempt` names what it was started for, so that a failure
    is not tried twice. `prove`: once loaded it takes no client's request until it is told to. Without
    progress for `hang_after` seconds, with work inside, it calls itself hung. `draft` are the files
    of the model that is loaded beside to guess tokens, if `load.drafter` names one. `prefixes` is the
    folder for what `load.keep_prefixes` saves. `python` starts it, empty for lmctl's own, with
    `environment` on top of what every process is handed, where `${secret:NAME}` stands for what the
    references in `secrets` lead to; `build` says of which package and version its
    engine is, empty for the bundled one.
    """

    name: str
    uid: str
    engine: EngineName
    model: str
    spec_digest: str
    weights: tuple[WeightFile, ...]
    load: LoadSettings
    socket: str
    queue: int = 64
    queue_deadline: float = 30.0
    max_drain: float = 30.0
    attempt: str = ""
    prove: bool = False
    hang_after: float = 30.0
    draft: tuple[WeightFile, ...] = ()
    prefixes: str = ""
    python: str = ""
    environment: dict[str, str] = {}
    secrets: dict[str, dict[str, Any]] = {}
    build: str = ""


class Phase(StrEnum):
    """Where a runner is in its life; only READY takes clients' work, PROVING is loaded and answers
    whoever proves it.
    """

    STARTING = "starting"
    LOADING = "loading"
    PROVING = "proving"
    READY = "ready"
    DRAINING = "draining"
    FAILED = "failed"


class FailureKind(StrEnum):
    """Why something failed, in the terms that decide what to do next (reconciler 3.7)."""

    TRANSIENT = "transient"
    CAPACITY = "capacity"
    CONFIG = "config"
    INTEGRITY = "integrity"
    BUG = "bug"


class Work(msgspec.Struct, frozen=True):
    """What a runner did and holds, in tokens. `cached_tokens` of `prompt_tokens` did not have to be
    read again; `accepted` of `drafted` were right. Its context holds `held` now and has `room` for
    more than that. `generating` are requests whose prompt is read; `rate` is tokens per second of
    all of them together, over the last seconds in which there were any.
    """

    prompt_tokens: int = 0
    cached_tokens: int = 0
    drafted: int = 0
    accepted: int = 0
    held: int = 0
    room: int = 0
    generating: int = 0
    rate: float = 0.0


class RunnerStatus(msgspec.Struct, frozen=True):
    """A runner about itself. `progress` of loading is 0..1; memory is resident bytes;
    `memory_loaded` those right after loading, `memory_peak` the most there ever were, and `widest_step` the most tokens computed together;
    `weights` are the sha256 of the files it really loaded, in order, a draft model's last. `hung` says for how long the
    engine has had work and not moved, None while it moves. `idle` are the seconds since the last
    request was done (or since it was loaded), 0 while one is inside. `kind` is what the model
    answers with, once it is loaded.
    """

    name: str
    uid: str
    pid: int
    started_at: float
    phase: Phase
    spec_digest: str
    weights: tuple[str, ...] = ()
    progress: float = 0.0
    running: int = 0
    queued: int = 0
    parallel: int = 0
    context_length: int = 0
    memory: int = 0
    memory_peak: int = 0
    memory_loaded: int = 0
    widest_step: int = 0
    requests: int = 0
    tokens: int = 0
    reason: str | None = None
    failure: FailureKind | None = None
    hung: str | None = None
    idle: float = 0.0
    work: Work = Work()
    kind: ModelKind = "text"
