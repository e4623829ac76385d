"""`doctor` looks at the box: fleet, lock, weights, memory, disk, daemon, sockets, port, objects."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lmctl import __version__
from lmctl.adapters.gateway_process import can_bind, read_note, who_listens
from lmctl.adapters.home import Home
from lmctl.base.errors import LmctlError, Refused, Unreachable
from lmctl.base.quantities import format_size
from lmctl.cli.client import DaemonClient, NoDaemon
from lmctl.cli.gateway_client import GatewayClient, url_of
from lmctl.cli.proposing import read
from lmctl.cli.render_doctor import Finding, fail, ok, warn
from lmctl.daemon.wiring import eyes
from lmctl.planning.conditions import State
from lmctl.planning.desired import DesiredState
from lmctl.planning.fit.budget import Guardrails, budget
from lmctl.planning.fit.estimate import Confidence
from lmctl.planning.fit.need import need
from lmctl.planning.fit.outlook import outlook
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.locking import unlocked
from lmctl.planning.observed import ObservedState
from lmctl.planning.report import problem_of
from lmctl.planning.weights_values import FileSource, HubSource, Weights, WeightsState
from lmctl.reconciler.reading import ReadResult

_SPARE: Final = 2 * 1024**3
"""Bytes a disk should have left for logs, locks and the next download."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was read and seen; `result` is None where there are no folders to read."""

    roots: Sequence[Path]
    result: ReadResult | None
    observed: ObservedState

    @property
    def missing(self) -> list[Weights]:
        """The weights that have to be brought yet."""
        desired = self.result.desired.weights if self.result else ()
        absent = WeightsState.ABSENT
        return [each for each in desired if self.observed.seen_weights(each.key).state is absent]

    @property
    def hub_needed(self) -> bool:
        """Whether anything that is missing can only come from the hub."""
        return any(
            all(isinstance(source, HubSource) for source in each.sources) for each in self.missing
        )


async def look(home: Home, roots: Sequence[Path]) -> Looked:
    """Read the folders and look at the box; broken manifests are looked at as far as they can be."""
    see = eyes(home, clock=time.time)
    result = read(list(roots), see) if roots else None
    desired = result.desired if result else DesiredState(0)
    return Looked(roots, result, await see.observer.look(desired))


def box(home: Home, looked: Looked) -> Iterator[Finding]:
    """Yield what the box is like."""
    yield _fleet(looked)
    if looked.result is not None and not looked.result.fatal:
        yield _lock(looked.result)
        yield _weights(looked)
    yield _memory(looked)
    yield _disk(looked)
    yield _sockets(home)
    yield from _daemon(home)
    yield _port(home, looked)


def _fleet(looked: Looked) -> Finding:
    if looked.result is None:
        fix = "`lmctl init DIR` writes a first one, `lmctl apply DIR` follows it"
        return warn("fleet", "no folder was given, and this box follows none", fix)
    bundle, problems = looked.result.bundle, looked.result.problems
    where = ", ".join(map(str, looked.roots))
    grave = [each for each in problems if each.fatal]
    if told := grave or list(problems):
        first, more = problem_of(told[0]), f", and {len(told) - 1} more" if len(told) > 1 else ""
        said = f"{first.message} ({first.file}:{first.line}){more}"
        return (fail if grave else warn)("fleet", said, f"`lmctl validate {where}` shows all")
    many = f"{len(bundle.models)} model(s), {len(bundle.instances)} instance(s)"
    return ok("fleet", f"{where} is valid: {many}")


def _lock(result: ReadResult) -> Finding:
    names = [name for name, _ in unlocked(result.bundle)]
    if names:
        return warn("lock", f"not locked: {', '.join(names)}", "`lmctl lock DIR`, and commit it")
    return ok("lock", "every model is locked")


def _weights(looked: Looked) -> Finding:
    assert looked.result is not None  # noqa: S101 # only asked then
    seen = [looked.observed.seen_weights(each.key) for each in looked.result.desired.weights]
    suspect = [each for each in seen if each.state is WeightsState.SUSPECT]
    if suspect:
        said = "; ".join(f"{each.key.partition('@')[0]}: {each.reason}" for each in suspect)
        return fail("weights", said, "`lmctl verify`, then `lmctl apply` fetches what is damaged")
    if lost := [each.model for each in looked.missing if _lost(each)]:
        return fail("weights", f"the file of {', '.join(lost)} is gone", "name another source")
    if names := [each.model for each in looked.missing]:
        return warn("weights", f"not here yet: {', '.join(names)}", "`lmctl apply` fetches them")
    return ok("weights", f"{len(seen)} of {len(seen)} are here, as they were recorded")


def _lost(weights: Weights) -> bool:
    sources = weights.sources
    return all(isinstance(each, FileSource) and not Path(each.path).exists() for each in sources)


def _memory(looked: Looked) -> Finding:
    host = _host(looked)
    if looked.result is None or looked.result.fatal or not looked.result.desired.instances:
        room = budget(host, Guardrails())
        size = "any" if room.size is None else format_size(room.size)
        return ok("memory", f"{size} for models: {room.reason}")
    desired, observed = looked.result.desired, looked.observed
    result = outlook(
        {each.name: need(each, observed) for each in desired.instances},
        {
            each.name: ",".join(observed.sha256_of_all(each.all_weights))
            for each in desired.instances
        },
        beside=(),
        host=host,
        guardrails=desired.guardrails,
    )
    words = next(each.words for each in result.verdicts if each.mode == result.mode)
    if not result.fits:
        fix = "`lmctl estimate` shows what takes it; lower `load.contextLength` or `load.parallel`"
        return fail("memory", f"not everything fits ({result.mode}): {words}", fix)
    unsure = (None, Confidence.LOW)
    unknown = [each.name for each in result.instances if each.confidence in unsure]
    if unknown:
        fix = "known once its weights are here"
        return warn("memory", f"not known of {', '.join(unknown)}", fix)
    return ok("memory", f"everything fits ({result.mode}): {words}")


def _disk(looked: Looked) -> Finding:
    free = _host(looked).disk.free
    wanted = sum(each.pinned[0].download() for each in looked.missing if each.pinned)
    fix = "`lmctl gc` removes what nothing needs; LMCTL_HOME may lie on another disk"
    if wanted > free:
        said = f"{format_size(free)} free, {format_size(wanted)} to download"
        return fail("disk", said, fix)
    if free - wanted < _SPARE:
        return warn("disk", f"{format_size(free - wanted)} will be left", fix)
    more = f", {format_size(wanted)} to download" if wanted else ""
    return ok("disk", f"{format_size(free)} free{more}")


def _sockets(home: Home) -> Finding:
    try:
        home.check_sockets()
    except Refused as problem:
        return fail("sockets", str(problem), problem.hint or "")
    short = "" if home.sockets == home.run else ", because the home's path is long"
    return ok("sockets", f"in {home.sockets}{short}")


def _daemon(home: Home) -> Iterator[Finding]:
    try:
        with closing(DaemonClient(home)) as client:
            status = client.status()
    except NoDaemon:
        fix = "`lmctl daemon up`, or `lmctl apply DIR`"
        yield warn("daemon", "none runs: nothing follows the fleet", fix)
        return
    except Unreachable as problem:
        yield fail("daemon", str(problem), problem.hint or "")
        return
    except LmctlError as problem:
        yield fail("daemon", str(problem), "`lmctl daemon down`, then `lmctl daemon up`")
        return
    view = status.daemon
    if view is not None and view.version != __version__:
        said = f"it is lmctl {view.version}, this command {__version__}"
        yield warn("daemon", said, "`lmctl daemon down --keep`, then `lmctl daemon up`")
    else:
        yield ok("daemon", f"runs, pid {view.pid if view else '?'}")
    stalled = [each for each in status.objects if each.state is State.STALLED]
    for each in stalled:
        yield fail(each.key, each.message, f"`lmctl why {each.key}` says more")
    if not stalled:
        ready = sum(each.ready for each in status.objects)
        yield ok("objects", f"{ready} of {len(status.objects)} ready, none is stuck")


def _port(home: Home, looked: Looked) -> Finding:
    listen = looked.result.bundle.server.spec.listen if looked.result else None
    if looked.observed.gateway is not None and read_note(home.run) is not None:
        url = url_of(None, home)
        with closing(GatewayClient(url)) as client:
            if client.greets():
                return ok("server", f"answers at {url}")
        fix = f"see {home.logs}/gateway.log; `lmctl reconcile` looks again"
        return fail("server", f"{url} does not answer", fix)
    if listen is None or not listen.enabled:
        said = "nothing is declared" if listen is None else "declared not to listen"
        return ok("server", f"does not listen: {said}")
    if listen.port == 0 or can_bind(listen.host, listen.port):
        return ok("server", f"does not listen; {listen.host} port {listen.port} is free for it")
    who = who_listens(listen.port) or "another program, perhaps of another user"
    fix = "end it, or `lmctl set server listen.port=PORT`"
    return fail("server", f"{listen.host} port {listen.port} is taken by {who}", fix)


def _host(looked: Looked) -> HostProfile:
    assert looked.observed.host is not None  # noqa: S101 # every look sees the machine it is on
    return looked.observed.host
