"""A step goes to the actuator made for it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import assert_never

from lmctl.actuators.instances import InstanceActuator
from lmctl.actuators.runtimes import RuntimeActuator
from lmctl.actuators.strays import StrayActuator
from lmctl.actuators.surfaces import SurfaceActuator
from lmctl.actuators.weights import WeightsActuator
from lmctl.daemon.progress import ProgressBoard
from lmctl.planning.conditions import Progress
from lmctl.planning.end_stray import EndStray
from lmctl.planning.outcome import Outcome
from lmctl.planning.plan import (
    EnsureRuntime,
    FetchWeights,
    LinkWeights,
    LoadInstance,
    PublishSurface,
    RenameInstance,
    RestoreInstance,
    StartGateway,
    Step,
    StopGateway,
    SwitchRoute,
    UnloadInstance,
    VerifyWeights,
)

Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class Actuators:
    """One of each kind."""

    instances: InstanceActuator
    runtimes: RuntimeActuator
    strays: StrayActuator
    surfaces: SurfaceActuator
    weights: WeightsActuator
    board: ProgressBoard

    def act(self, step: Step) -> Awaitable[Outcome]:
        """Return the running step; its progress goes to the board under its key."""
        report = self.board.reporter(step.key)
        match step:
            case EndStray():
                return self.strays.end(step, report)
            case EnsureRuntime():
                return self.runtimes.ensure(step, report)
            case FetchWeights() | VerifyWeights() | LinkWeights():
                return self._act_on_weights(step, report)
            case LoadInstance() | UnloadInstance() | RenameInstance() | RestoreInstance():
                return self._act_on_instance(step, report)
            case StartGateway() | StopGateway() | PublishSurface() | SwitchRoute():
                return self._act_on_surface(step, report)
            case _:
                assert_never(step)

    def _act_on_weights(
        self, step: FetchWeights | VerifyWeights | LinkWeights, report: Report
    ) -> Awaitable[Outcome]:
        match step:
            case FetchWeights():
                return self.weights.fetch(step, report)
            case VerifyWeights():
                return self.weights.verify(step, report)
            case LinkWeights():
                return self.weights.link(step, report)

    def _act_on_instance(
        self,
        step: LoadInstance | UnloadInstance | RenameInstance | RestoreInstance,
        report: Report,
    ) -> Awaitable[Outcome]:
        match step:
            case LoadInstance():
                return self.instances.load(step, report)
            case UnloadInstance():
                return self.instances.unload(step, report)
            case RenameInstance():
                return self.instances.rename(step, report)
            case RestoreInstance():
                return self.instances.restore(step, report)

    def _act_on_surface(
        self, step: StartGateway | StopGateway | PublishSurface | SwitchRoute, report: Report
    ) -> Awaitable[Outcome]:
        match step:
            case StartGateway():
                return self.surfaces.start(step, report)
            case StopGateway():
                return self.surfaces.stop(step, report)
            case PublishSurface():
                return self.surfaces.publish(step, report)
            case SwitchRoute():
                return self.surfaces.switch(step, report)
