"""A step goes to the actuator made for it."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import assert_never

from lmctl.actuators.instances import InstanceActuator
from lmctl.actuators.runtimes import RuntimeActuator
from lmctl.actuators.surfaces import SurfaceActuator
from lmctl.actuators.weights import WeightsActuator
from lmctl.daemon.progress import ProgressBoard
from lmctl.planning.outcome import Outcome
from lmctl.planning.plan import (
    EnsureRuntime,
    FetchWeights,
    LinkWeights,
    LoadInstance,
    PublishSurface,
    StartGateway,
    Step,
    StopGateway,
    UnloadInstance,
    VerifyWeights,
)


@dataclass(frozen=True, slots=True)
class Actuators:
    """One of each kind."""

    instances: InstanceActuator
    runtimes: RuntimeActuator
    surfaces: SurfaceActuator
    weights: WeightsActuator
    board: ProgressBoard

    def act(self, step: Step) -> Awaitable[Outcome]:
        """Return the running step; its progress goes to the board under its key."""
        report = self.board.reporter(step.key)
        match step:
            case EnsureRuntime():
                return self.runtimes.ensure(step, report)
            case FetchWeights():
                return self.weights.fetch(step, report)
            case VerifyWeights():
                return self.weights.verify(step, report)
            case LinkWeights():
                return self.weights.link(step, report)
            case LoadInstance():
                return self.instances.load(step, report)
            case UnloadInstance():
                return self.instances.unload(step, report)
            case StartGateway():
                return self.surfaces.start(step, report)
            case StopGateway():
                return self.surfaces.stop(step, report)
            case PublishSurface():
                return self.surfaces.publish(step, report)
            case _:
                assert_never(step)
