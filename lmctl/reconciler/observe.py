"""One look at everything: each adapter is asked once, nothing is decided."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lmctl.adapters import gateway_process
from lmctl.adapters.files import read_if_there
from lmctl.adapters.processes import Identity, Processes
from lmctl.planning.desired import DesiredState
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.observed import (
    ObservedState,
    SeenGateway,
    SeenRunner,
    SeenRuntime,
)
from lmctl.planning.surface import Surface
from lmctl.planning.wanted_runtimes import WantedRuntime
from lmctl.planning.weights_values import FileSource, SeenWeights, StoredWeights, Weights
from lmctl.reconciler.runners import RunnerEyes
from lmctl.reconciler.strays import StrayEyes


@dataclass(frozen=True, slots=True)
class Observer:
    """Looks through these eyes; all of them only read."""

    run: Path
    runners: RunnerEyes
    processes: Processes
    look_at_weights: Callable[[Weights], SeenWeights]
    facts_of: Callable[[Weights, StoredWeights | None], ModelFacts | None]
    runtimes: Callable[[Iterable[WantedRuntime]], dict[str, SeenRuntime]]
    host: Callable[[tuple[SeenRunner, ...]], HostProfile]
    strays: StrayEyes
    silence: Callable[[str], str] = lambda _key: ""

    async def look(self, desired: DesiredState) -> ObservedState:
        """Return what is there now, as far as it concerns the desired state or is ours."""
        weights = {each.key: self.look_at_weights(each) for each in desired.weights}
        facts = {}
        for each in desired.weights:
            found = self.facts_of(each, weights[each.key].stored)
            if found is not None:
                facts[each.key] = found
        absent = [each for each in desired.weights if weights[each.key].stored is None]
        runners, gateway = await self.runners.look(), self._gateway()
        return ObservedState(
            weights=weights,
            facts=facts,
            source_files=dict(_source_files(absent)),
            runtimes=self.runtimes(desired.runtimes),
            runners=runners,
            host=self.host(runners),
            gateway=gateway,
            surface=self._surface(),
            strays=await self.strays.look(runners, gateway),
        )

    def _gateway(self) -> SeenGateway | None:
        note = gateway_process.read_note(self.run)
        if note is None or not self.processes.alive(Identity(note.pid, note.started_at)):
            return self._gateway_without_note()
        # It notes itself once it listens. That it answers too is asked beside the loop, where it
        # may take its time: a full queue must not make a busy gateway look dead.
        seen = SeenGateway(
            note.pid,
            note.spec_digest,
            note.binds,
            note.started_at,
            workers=note.workers,
            shares=note.shares,
        )
        return msgspec.structs.replace(seen, hung=self.silence(seen.key))

    def _gateway_without_note(self) -> SeenGateway | None:
        """Return the gateway that listens although its note is gone: somebody deleted the file."""
        found = self.strays.gateway()
        if found is None or not found.binds:
            return None
        seen = SeenGateway(found.who.pid, found.digest, found.binds, found.who.started_at)
        return msgspec.structs.replace(seen, hung=self.silence(seen.key))

    def _surface(self) -> Surface | None:
        content = read_if_there(self.run / "surface.json")
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Surface)
        except msgspec.DecodeError:
            return None


def _source_files(absent: Iterable[Weights]) -> Iterator[tuple[str, str]]:
    for each in absent:
        for source in each.sources:
            if isinstance(source, FileSource):
                yield source.path, _mark(Path(source.path))


def _mark(path: Path) -> str:
    """Return something that changes when a file does; empty while there is none."""
    try:
        seen = path.stat()
    except OSError:
        return ""
    return f"{seen.st_size} {seen.st_mtime_ns} {seen.st_ino}"
