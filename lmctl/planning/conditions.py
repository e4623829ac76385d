"""The words for how an object is: states, conditions with typed reasons, sync and health.

Severity, mildest first, fixed: Ready, Suspended, Reconciling, Retrying, Stalled. An object with
several steps is as its worst step, a box as its worst object.
"""

from enum import StrEnum

import msgspec

Facts = dict[str, str | int | float | list[str] | None]


class State(StrEnum):
    """READY: as declared, and proven; SUSPENDED: left alone on request; RECONCILING: work is under
    way; RETRYING: it failed and will be tried again; STALLED: it will not be tried again until
    someone changes something. In the order of severity.
    """

    READY = "Ready"
    SUSPENDED = "Suspended"
    RECONCILING = "Reconciling"
    RETRYING = "Retrying"
    STALLED = "Stalled"


SEVERITY: tuple[State, ...] = tuple(State)


class Sync(StrEnum):
    """Whether what is there is what the manifests say.

    OUT_OF_SYNC: an edit is being carried out; HELD: it may not be, the plan says why; DRIFTED: it
    moved away although nobody edited anything.
    """

    SYNCED = "Synced"
    OUT_OF_SYNC = "OutOfSync"
    HELD = "Held"
    DRIFTED = "Drifted"


class HealthState(StrEnum):
    """How the thing itself does, whatever the manifests say of it."""

    HEALTHY = "Healthy"
    PROGRESSING = "Progressing"
    SUSPENDED = "Suspended"
    MISSING = "Missing"
    DEGRADED = "Degraded"


class ConditionType(StrEnum):
    """What is said of an object. The first three are of every object (kstatus), the others where
    they apply. Stalled, Reconciling, Suspended and PruneBlocked are only worth a look when True.
    """

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    SUSPENDED = "Suspended"
    IN_SYNC = "InSync"
    RESOLVED = "Resolved"
    WEIGHTS_READY = "WeightsReady"
    VERIFIED = "Verified"
    FITS = "Fits"
    RUNTIME_READY = "RuntimeReady"
    LOADED = "Loaded"
    SERVING = "Serving"
    CONNECTED = "Connected"
    PRUNE_BLOCKED = "PruneBlocked"


class Truth(StrEnum):
    """Kubernetes' three values of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"

    @classmethod
    def of(cls, claim: bool) -> "Truth":  # noqa: FBT001 # the one thing it is about
        return cls.TRUE if claim else cls.FALSE


class Reason(StrEnum):
    """Why a condition has its status, for programs; the message says it for people."""

    AS_DECLARED = "AsDeclared"
    ORPHANED = "Orphaned"
    NOT_SUSPENDED = "NotSuspended"
    SUSPENDED = "Suspended"
    # what becomes of the steps that remain
    PLANNED = "Planned"
    BLOCKED = "Blocked"
    WORKING = "Working"
    WAITING = "Waiting"
    DONE_NOT_SEEN = "DoneNotSeen"
    HELD = "Held"
    CANNOT_BE_DONE = "CannotBeDone"
    NEEDS_CHANGE = "NeedsChange"
    TRANSIENT_FAILURE = "TransientFailure"
    CAPACITY_FAILURE = "CapacityFailure"
    CONFIG_FAILURE = "ConfigFailure"
    INTEGRITY_FAILURE = "IntegrityFailure"
    BUG_FAILURE = "BugFailure"
    # sync
    EDITED = "Edited"
    DRIFTED = "Drifted"
    # weights
    STORED = "Stored"
    ABSENT = "Absent"
    CHANGED_ON_DISK = "ChangedOnDisk"
    NOT_ASKED_YET = "NotAskedYet"
    # memory
    MEASURED = "Measured"
    ESTIMATED = "Estimated"
    NOT_KNOWN = "NotKnown"
    DOES_NOT_FIT = "DoesNotFit"
    # runtime and runner
    SELF_TEST_PASSED = "SelfTestPassed"
    NOT_TESTED = "NotTested"
    NO_RUNNER = "NoRunner"
    STARTING = "Starting"
    LOADING = "Loading"
    PROVING = "Proving"
    DRAINING = "Draining"
    RUNNER_FAILED = "RunnerFailed"
    OTHER_SPEC = "OtherSpec"
    OTHER_WEIGHTS = "OtherWeights"
    # serving
    LISTENING = "Listening"
    NOT_LISTENING = "NotListening"
    ROUTED = "Routed"
    ON_DEMAND = "OnDemand"
    NO_ROUTE = "NoRoute"
    FALLBACK = "Fallback"
    # tool servers
    TOOLS_LISTED = "ToolsListed"
    NOT_CONNECTED = "NotConnected"
    TURNED_OFF = "TurnedOff"
    # the box
    MANIFESTS_VALID = "ManifestsValid"
    MANIFESTS_BROKEN = "ManifestsBroken"
    PRUNE_GUARD = "PruneGuard"
    NOTHING_BLOCKED = "NothingBlocked"


class Condition(msgspec.Struct, frozen=True):
    """One thing said of an object. `since` is when its status became what it is, in unix seconds;
    0 before anybody remembered.
    """

    type: ConditionType
    status: Truth
    reason: Reason
    message: str
    since: float = 0.0


class Standing(msgspec.Struct, frozen=True):
    """How one object is. `facts` are short things worth a column, e.g. memory or size;
    `generation` is the one it was judged against, `ready_generation` the last one for which it was
    Ready, 0 for never.
    """

    key: str
    state: State
    message: str
    generation: int
    facts: Facts = {}
    sync: Sync = Sync.SYNCED
    health: HealthState = HealthState.HEALTHY
    conditions: tuple[Condition, ...] = ()
    ready_generation: int = 0

    @property
    def kind(self) -> str:
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]

    def condition(self, kind: ConditionType) -> Condition | None:
        """Return what is said of it in this respect, or None where that does not apply."""
        return next((each for each in self.conditions if each.type is kind), None)

    def holds(self, kind: ConditionType) -> bool:
        found = self.condition(kind)
        return found is not None and found.status is Truth.TRUE


class Progress(msgspec.Struct, frozen=True):
    """How far a running step is: `done` of `total` in its own unit (bytes, or 0..1 of a load)."""

    text: str
    done: float = 0.0
    total: float = 0.0
    rate: float = 0.0
