"""Every concrete actuator, once: what a box acts with, over the same eyes it looks with."""

import time

from lmctl.actuators.instances import InstanceActuator
from lmctl.actuators.starting import RunnerCalls, Runners, Supplies
from lmctl.actuators.strays import StrayActuator
from lmctl.actuators.surfaces import SurfaceActuator
from lmctl.actuators.weights import WeightsActuator
from lmctl.adapters import runner_client
from lmctl.adapters.home import Home
from lmctl.daemon.act import Actuators
from lmctl.daemon.progress import ProgressBoard
from lmctl.daemon.wiring import Eyes


def hands(home: Home, see: Eyes, board: ProgressBoard, *, hang_after: float) -> Actuators:
    """Wire the acting half; runners call themselves hung after `hang_after` seconds."""
    calls = RunnerCalls(
        watch=runner_client.watch,
        drain=runner_client.drain,
        ask=runner_client.ask,
        open=runner_client.open_door,
        rename=runner_client.rename,
    )
    runners = Runners(
        home.runners,
        home.logs,
        home.prefixes,
        processes=see.processes,
        calls=calls,
        supplies=Supplies(see.files_of, see.runtimes.launch_of, see.runtimes.filled),
        hang_after=hang_after,
    )
    return Actuators(
        instances=InstanceActuator(
            runners, processes=see.processes, calls=calls, clock=time.monotonic
        ),
        runtimes=see.runtimes,
        strays=StrayActuator(see.processes),
        surfaces=SurfaceActuator(
            home.run, home.logs, see.processes, conversations=home.conversations
        ),
        weights=WeightsActuator(see.weights, see.tree),
        board=board,
    )
