"""Every metric there is: name, labels, meaning. docs/metrics.md is made from this list.

A label's values are bounded: names come from manifests, everything else from fixed words. What a
client sends is never a label.
"""

from dataclasses import dataclass
from typing import Final, Literal

MOST_SERIES: Final = 500
"""Label sets of one metric; what comes later is counted under `OTHER`."""
OTHER: Final = "(other)"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric. `buckets` are the upper bounds of a histogram's, in the metric's unit."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    labels: tuple[str, ...]
    help: str
    buckets: tuple[float, ...] = ()


_SHORT = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_LONG = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_TOKENS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16384.0, 65536.0, 262144.0)
_SERVED = ("route", "instance")

REQUESTS: Final = Metric(
    "lmctl_requests_total", "counter", (*_SERVED, "code"),
    "Requests for generated text that are over, by HTTP status; 499: the client left before an "
    "answer. No route: nothing served had the name that was asked for.",
)  # fmt: skip
INFLIGHT: Final = Metric(
    "lmctl_requests_inflight", "gauge", (), "Requests for generated text that are not over."
)
PARKED: Final = Metric(
    "lmctl_requests_parked", "gauge", (), "Requests that wait for a runner to be up."
)
REJECTED: Final = Metric(
    "lmctl_requests_rejected_total", "counter", ("reason",),
    "Requests that got an error instead of an answer, by the `code` of the error.",
)  # fmt: skip
BROKEN: Final = Metric(
    "lmctl_streams_broken_total", "counter", _SERVED,
    "Streams that ended with an error after they had begun; their status was 200.",
)  # fmt: skip
FIRST_TOKEN: Final = Metric(
    "lmctl_time_to_first_token_seconds", "histogram", _SERVED,
    "From the arrival of a request to the first text of its answer, waiting included.", _SHORT,
)  # fmt: skip
DURATION: Final = Metric(
    "lmctl_request_duration_seconds", "histogram", _SERVED,
    "From the arrival of a request to the last byte of its answer.", _LONG,
)  # fmt: skip
PROMPT_TOKENS: Final = Metric(
    "lmctl_prompt_tokens", "histogram", _SERVED, "Tokens of a prompt, template included.", _TOKENS
)
COMPLETION_TOKENS: Final = Metric(
    "lmctl_completion_tokens", "histogram", _SERVED, "Tokens of an answer.", _TOKENS
)
CONTROL_PLANE_UP: Final = Metric(
    "lmctl_control_plane_up", "gauge", (),
    "1 while the daemon answers; its own metrics are absent while it does not.",
)  # fmt: skip

INSTANCE_UP: Final = Metric(
    "lmctl_instance_up", "gauge", ("instance",), "1 while the runner behind its route answers."
)
INSTANCE_PHASE: Final = Metric(
    "lmctl_instance_phase", "gauge", ("instance", "phase"), "1 for the phase its runner is in."
)
INSTANCE_RUNNING: Final = Metric(
    "lmctl_instance_requests_running", "gauge", ("instance",), "Requests being decoded."
)
INSTANCE_QUEUED: Final = Metric(
    "lmctl_instance_requests_queued", "gauge", ("instance",), "Requests that wait for a slot."
)
INSTANCE_SLOTS: Final = Metric(
    "lmctl_instance_slots", "gauge", ("instance",), "Requests that can be decoded together."
)
INSTANCE_MEMORY: Final = Metric(
    "lmctl_instance_memory_bytes", "gauge", ("instance",), "Resident memory of its runner."
)
INSTANCE_REQUESTS: Final = Metric(
    "lmctl_instance_requests_total", "counter", ("instance",),
    "Requests that its present runner took, probes included.",
)  # fmt: skip
INSTANCE_TOKENS: Final = Metric(
    "lmctl_instance_tokens_total", "counter", ("instance",),
    "Tokens that its present runner generated, probes included.",
)  # fmt: skip
INSTANCE_GENERATING: Final = Metric(
    "lmctl_instance_requests_generating", "gauge", ("instance",),
    "Requests being decoded whose prompt is read.",
)  # fmt: skip
INSTANCE_PROMPT_TOKENS: Final = Metric(
    "lmctl_instance_prompt_tokens_total", "counter", ("instance",),
    "Tokens of prompts that its present runner took, cached ones included.",
)  # fmt: skip
INSTANCE_CACHED_TOKENS: Final = Metric(
    "lmctl_instance_cached_tokens_total", "counter", ("instance",),
    "Tokens of prompts that did not have to be read again.",
)  # fmt: skip
INSTANCE_DRAFTED: Final = Metric(
    "lmctl_instance_drafted_tokens_total", "counter", ("instance",),
    "Tokens that were guessed ahead (speculative decoding).",
)  # fmt: skip
INSTANCE_ACCEPTED: Final = Metric(
    "lmctl_instance_accepted_tokens_total", "counter", ("instance",),
    "Tokens guessed ahead that were right.",
)  # fmt: skip
INSTANCE_HELD: Final = Metric(
    "lmctl_instance_context_held_tokens", "gauge", ("instance",),
    "Tokens its context holds now, those kept for later included.",
)  # fmt: skip
INSTANCE_ROOM: Final = Metric(
    "lmctl_instance_context_tokens", "gauge", ("instance",),
    "Tokens its context has room for, of all slots together.",
)  # fmt: skip
INSTANCE_RATE: Final = Metric(
    "lmctl_instance_tokens_per_second", "gauge", ("instance",),
    "Tokens generated per second, of all requests, over the last ten seconds of generating.",
)  # fmt: skip
INSTANCE_STARTED: Final = Metric(
    "lmctl_instance_start_time_seconds", "gauge", ("instance",),
    "When its present runner was started, in unix seconds.",
)  # fmt: skip

TURNS: Final = Metric(
    "lmctl_turns_total", "counter", ("result",),
    "Turns of the reconcile loop: `done`, or `broke` on a defect or a full disk.",
)  # fmt: skip
TURN_DURATION: Final = Metric(
    "lmctl_turn_duration_seconds", "histogram", (),
    "Reading, looking and planning of one turn.", _SHORT,
)  # fmt: skip
STEPS: Final = Metric(
    "lmctl_reconcile_total", "counter", ("kind", "op", "result"),
    "Steps that ended, by kind of object, verb, and how they ended.",
)  # fmt: skip
STEP_DURATION: Final = Metric(
    "lmctl_reconcile_duration_seconds", "histogram", ("kind", "op"), "How long steps took.", _LONG
)
QUEUE_DEPTH: Final = Metric(
    "lmctl_reconcile_queue_depth", "gauge", (), "Steps of the plan that may run and do not yet."
)
QUEUE_AGE: Final = Metric(
    "lmctl_reconcile_queue_age_seconds", "gauge", (), "How long the oldest of those has waited."
)
OBJECTS: Final = Metric(
    "lmctl_objects", "gauge", ("kind", "condition"),
    'Declared objects for which a condition is True; `condition="Declared"` counts all.',
)  # fmt: skip
DRIFT: Final = Metric(
    "lmctl_drift_total", "counter", ("kind", "type"),
    "How often something moved away without an edit, by the verb that puts it back.",
)  # fmt: skip
GENERATION: Final = Metric(
    "lmctl_generation", "gauge", (), "The generation of the manifests that is desired."
)
GENERATION_INFO: Final = Metric(
    "lmctl_generation_info", "gauge", ("generation", "digest"),
    "1 for the desired generation, with the first characters of its digest.",
)  # fmt: skip
SOURCE_AGE: Final = Metric(
    "lmctl_source_age_seconds", "gauge", (),
    "Seconds since the manifests were last read without an error.",
)  # fmt: skip
PROBLEMS: Final = Metric(
    "lmctl_manifest_problems", "gauge", ("severity",), "Problems of the newest manifests."
)
REPLACE: Final = Metric(
    "lmctl_replace_seconds", "histogram", (),
    "From when a Ready instance is no longer as declared until it is Ready again.", _LONG,
)  # fmt: skip
DRAIN: Final = Metric(
    "lmctl_drain_seconds", "histogram", (),
    "How long runners took to finish what was inside them and end.", _SHORT,
)  # fmt: skip
DOWNLOADED: Final = Metric(
    "lmctl_download_bytes_total", "counter", (), "Bytes of weights that were fetched."
)
VERIFY_FAILURES: Final = Metric(
    "lmctl_verify_failures_total", "counter", (),
    "Fetches and checks of weights that found bytes other than those declared.",
)  # fmt: skip
RESTARTS: Final = Metric(
    "lmctl_instance_restarts_total", "counter", ("instance", "reason"),
    "Runners started in the place of one that died or hung, by kind of failure.",
)  # fmt: skip
MEMORY: Final = Metric(
    "lmctl_memory_bytes", "gauge", ("instance", "kind"),
    "`estimate` and `observed` of each instance; `budget` of all together, without an instance.",
)  # fmt: skip

GATEWAY: Final = (
    REQUESTS, INFLIGHT, PARKED, REJECTED, BROKEN, FIRST_TOKEN, DURATION, PROMPT_TOKENS,
    COMPLETION_TOKENS, CONTROL_PLANE_UP,
)  # fmt: skip
RUNNERS: Final = (
    INSTANCE_UP, INSTANCE_PHASE, INSTANCE_RUNNING, INSTANCE_QUEUED, INSTANCE_SLOTS,
    INSTANCE_MEMORY, INSTANCE_REQUESTS, INSTANCE_TOKENS, INSTANCE_GENERATING,
    INSTANCE_PROMPT_TOKENS, INSTANCE_CACHED_TOKENS, INSTANCE_DRAFTED, INSTANCE_ACCEPTED,
    INSTANCE_HELD, INSTANCE_ROOM, INSTANCE_RATE, INSTANCE_STARTED,
)  # fmt: skip
CONTROL: Final = (
    TURNS, TURN_DURATION, STEPS, STEP_DURATION, QUEUE_DEPTH, QUEUE_AGE, OBJECTS, DRIFT, GENERATION,
    GENERATION_INFO, SOURCE_AGE, PROBLEMS, REPLACE, DRAIN, DOWNLOADED, VERIFY_FAILURES, RESTARTS,
    MEMORY,
)  # fmt: skip
