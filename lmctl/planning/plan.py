"""A plan: the steps that would bring what is to what should be, and why each is there.

A plan is data. It can be printed, compared and thrown away; making one changes nothing. The
executor may do only what is written here. A step that is under way stays in the plan until what
it is for has been seen, so a plan is always *all* the work that remains. A held step is work that
remains and that something forbids: it is shown and not done.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from lmctl.base.changes import ChangeClass
from lmctl.planning.desired import WantedGateway, WantedInstance
from lmctl.planning.end_stray import EndStray
from lmctl.planning.surface import Surface
from lmctl.planning.wanted_runtimes import WantedRuntime
from lmctl.planning.weights_values import Weights


@dataclass(frozen=True, slots=True)
class EnsureRuntime:
    """Make sure an engine build is installed and passes its self-test."""

    runtime: WantedRuntime

    @property
    def key(self) -> str:
        return f"ensure runtime/{self.runtime.key}"

    @property
    def subject(self) -> str:
        return f"runtime/{self.runtime.name}"


@dataclass(frozen=True, slots=True)
class FetchWeights:
    """Bring weights to the disk, verified."""

    weights: Weights

    @property
    def key(self) -> str:
        return f"fetch model/{self.weights.model}@{self.weights.key[:12]}"

    @property
    def subject(self) -> str:
        return f"model/{self.weights.model}"


@dataclass(frozen=True, slots=True)
class VerifyWeights:
    """Hash weights again whose files changed under us; wrong ones are quarantined."""

    weights: Weights

    @property
    def key(self) -> str:
        return f"verify model/{self.weights.model}@{self.weights.key[:12]}"

    @property
    def subject(self) -> str:
        return f"model/{self.weights.model}"


@dataclass(frozen=True, slots=True)
class LinkWeights:
    """Put the browsable links of the models tree back."""

    weights: Weights

    @property
    def key(self) -> str:
        return f"link model/{self.weights.model}@{self.weights.key[:12]}"

    @property
    def subject(self) -> str:
        return f"model/{self.weights.model}"


@dataclass(frozen=True, slots=True)
class LoadInstance:
    """Start a runner with this spec, or take the one there is, and prove it: it is ready, says a
    token, and answers the instance's own checks.
    """

    instance: WantedInstance

    @property
    def key(self) -> str:
        return f"load instance/{self.instance.name}@{self.instance.spec_digest[:12]}"

    @property
    def subject(self) -> str:
        return f"instance/{self.instance.name}"


@dataclass(frozen=True, slots=True)
class UnloadInstance:
    """Drain a runner for at most `max_drain` seconds, then end it. `retire` keeps what is needed to
    start it again as it was. `kill` ends it at once, for it would not hear.
    """

    name: str
    uid: str
    max_drain: float
    retire: bool = False
    kill: bool = False

    @property
    def key(self) -> str:
        return f"unload instance/{self.name}#{self.uid}"

    @property
    def subject(self) -> str:
        return f"instance/{self.name}"


@dataclass(frozen=True, slots=True)
class SwitchRoute:
    """Send new requests for an instance to its proven runner instead of the one it replaces.

    `surface` is all the gateway is told, with this one change in it. Of several switches one is
    done at a time (they share a subject), each planned after the one before was seen.
    """

    name: str
    spec_digest: str
    surface: Surface

    @property
    def key(self) -> str:
        return f"switch instance/{self.name}@{self.spec_digest[:12]}"

    @property
    def subject(self) -> str:
        return "server/surface"


@dataclass(frozen=True, slots=True)
class RenameInstance:
    """Call a running runner by its instance's new name; its process goes on."""

    name: str
    uid: str
    before: str

    @property
    def key(self) -> str:
        return f"rename instance/{self.name}#{self.uid}"

    @property
    def subject(self) -> str:
        return f"instance/{self.name}"


@dataclass(frozen=True, slots=True)
class RestoreInstance:
    """Start the runner again that was ended to make room for one that then failed."""

    name: str
    uid: str

    @property
    def key(self) -> str:
        return f"restore instance/{self.name}#{self.uid}"

    @property
    def subject(self) -> str:
        return f"instance/{self.name}"


@dataclass(frozen=True, slots=True)
class StartGateway:
    """Start the process that listens. The one it `replaces` ends only then, letting running answers
    finish; one that has but another number of workers gets or loses some.
    """

    gateway: WantedGateway
    replaces: int | None = None

    @property
    def key(self) -> str:
        return f"start gateway@{self.gateway.digest[:12]}"

    @property
    def subject(self) -> str:
        return "server/gateway"


@dataclass(frozen=True, slots=True)
class StopGateway:
    """End the process that listens, letting running answers finish; not before its successor, if
    there is one, could take its own address. `kill` ends it at once, for it would not hear.
    """

    pid: int
    successor: WantedGateway | None = None
    kill: bool = False

    @property
    def key(self) -> str:
        return f"stop gateway#{self.pid}"

    @property
    def subject(self) -> str:
        return "server/gateway"


@dataclass(frozen=True, slots=True)
class PublishSurface:
    """Tell the gateway its routes and settings; hot, no process is touched.

    With `instance`, only what differs for that one, which is to be left alone and so comes later.
    """

    surface: Surface
    instance: str = ""

    @property
    def key(self) -> str:
        return f"publish instance/{self.instance}" if self.instance else "publish surface"

    @property
    def subject(self) -> str:
        return "server/surface"


Step = (
    EnsureRuntime
    | FetchWeights
    | VerifyWeights
    | LinkWeights
    | LoadInstance
    | UnloadInstance
    | SwitchRoute
    | RenameInstance
    | RestoreInstance
    | EndStray
    | StartGateway
    | StopGateway
    | PublishSurface
)


class Disruption(IntEnum):
    """What clients notice while a step runs; the larger the worse."""

    NONE = 0
    HOT = 1
    PARK = 2
    OUTAGE = 3

    @property
    def words(self) -> str:
        return {
            Disruption.NONE: "no disruption",
            Disruption.HOT: "hot",
            Disruption.PARK: "requests wait",
            Disruption.OUTAGE: "no longer served",
        }[self]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that is not as declared: `path` as in the manifest, both values as text (empty for
    none), and `place` (`file:line`) where the new value stands, empty when nobody wrote it.
    `subject` is the object it is a field of, empty when that is the step's own subject.
    """

    path: str
    old: str
    new: str
    change_class: ChangeClass = ChangeClass.HOT
    place: str = ""
    subject: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.old or '(none)'} -> {self.new or '(none)'}"


@dataclass(frozen=True, slots=True)
class Planned:
    """A step, the reason a person would give for it, what must be done first, and its cost.

    `after` are step keys. `download` and `memory` are bytes, None when not known before it is
    done. `held` says why the step may not run now, and `blocked` that no policy is the reason: it
    cannot be done (no memory, a guard). `drift`: nobody edited anything, what was as declared moved
    away. `inputs` tells what the step works with: one that cannot work is worth another try when
    that has changed.
    """

    step: Step
    because: str
    after: tuple[str, ...] = ()
    download: int | None = 0
    memory: int | None = 0
    disruption: Disruption = Disruption.NONE
    changes: tuple[FieldChange, ...] = ()
    held: str = ""
    blocked: bool = False
    drift: bool = False
    inputs: str = ""

    @property
    def key(self) -> str:
        return self.step.key


def object_of(planned: Planned) -> str:
    """Return the declared object a step is about: what the gateway is told is about the server."""
    match planned.step:
        case SwitchRoute(name) | PublishSurface(_, str(name)) if name:
            return f"instance/{name}"
    subject = planned.step.subject
    return "server/gateway" if subject == "server/surface" else subject


@dataclass(frozen=True, slots=True)
class Plan:
    """Steps in an order in which they can be done; the same input gives the same plan."""

    generation: int
    steps: tuple[Planned, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.steps

    def by_key(self) -> dict[str, Planned]:
        """Return every step by its key, in order."""
        return {each.key: each for each in self.steps}

    def ready(self) -> tuple[Planned, ...]:
        """Return the steps that wait for no other step of this plan and are not held."""
        keys = self.by_key().keys()
        return tuple(each for each in self.steps if not each.held and keys.isdisjoint(each.after))

    def doable(self) -> Iterator[Planned]:
        """Yield the steps that are not held and wait for no held one, in order."""
        barred: set[str] = set()
        for each in self.steps:
            if each.held or not barred.isdisjoint(each.after):
                barred.add(each.key)
            else:
                yield each
