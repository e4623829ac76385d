"""Take a request to the runner that can answer it: resolve, ask, resolve again, park.

A refusal that comes before the first event means the runner never touched the request, so asking
again is safe, there or elsewhere. While nothing is up the request is parked: bounded in number and
time, woken by a changed surface, a changed health report or a changed socket.
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import msgspec
import structlog

from lmctl.adapters.metrics.requests import RequestMetrics
from lmctl.adapters.runner_client import count as count_tokens
from lmctl.base.errors import BadRequest, Busy, EngineFailed, NotReady, Unreachable
from lmctl.base.talk import Call, Chat, Event
from lmctl.planning.known_models import KnownModels
from lmctl.planning.surface import Health, Limits, ServedRoute, Surface
from lmctl.serving.on_demand import (
    AS_DECLARED,
    Follower,
    Load,
    Loading,
    Loads,
    Terms,
    raise_trouble,
)
from lmctl.serving.routes import Destination, UnknownModel, identity, resolve, to_load
from lmctl.serving.snapshot import Snapshot, Snapshots
from lmctl.serving.spread import Spread
from lmctl.serving.tool_weights import ToolWeights

Ask = Callable[[str, Call], AsyncGenerator[Event, None]]
MakeCall = Callable[[ServedRoute], Call]
MakeChat = Callable[[ServedRoute], Chat]
Answered = TypeVar("Answered")

_log = structlog.get_logger("lmctl.serving")

_POLL = 0.05  # seconds between two looks while parked
_ASK_AGAIN = 0.5  # a runner may become ready without any file telling so (the daemon may be down)
_HOPELESS = {
    "failed": "has failed",
    "stalled": "has stalled and needs a change of its manifest",
    "suspended": "is suspended",
}

_Mark = tuple[Snapshot, tuple[tuple[int, int] | None, ...]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A request a runner has begun to answer.

    `model` is the id to tell the client; `first` has been taken from `events` already.
    """

    model: str
    route: ServedRoute
    first: Event
    events: AsyncGenerator[Event, None]


class Gateway:
    """The data plane of one worker."""

    def __init__(self, snapshots: Snapshots, ask: Ask, load: Load) -> None:
        self.metrics = RequestMetrics()
        self._snapshots = snapshots
        self._ask = ask
        self._loads = Loads(load)
        self._spread = Spread()
        self._parked = 0
        self.tool_weights = ToolWeights()

    @property
    def parked(self) -> int:
        """How many requests wait for something to be up."""
        return self._parked

    def snapshot(self) -> Snapshot:
        """Return what the control plane last wrote."""
        return self._snapshots.now()

    def models(self) -> KnownModels:
        """Return the models there are, by the control plane's last word."""
        return self._snapshots.models()

    def leads_to(self, model: str | None) -> str:
        """Return the name of the Route or instance that serves a model; empty when none does."""
        surface = self.snapshot().surface
        if (wanted := to_load(surface, model)) is not None:
            return wanted.instance or wanted.name
        try:
            return resolve(surface, model).name
        except (UnknownModel, BadRequest):
            return ""

    def loading(self, model: str | None) -> str | None:
        """Return the id of what a request for a model has to wait for until it is loaded, by the
        control plane's last word; None where it is there, or nothing is loaded for requests.
        """
        snapshot = self.snapshot()
        if (wanted := to_load(snapshot.surface, model)) is not None:
            return wanted.name
        try:
            route = resolve(snapshot.surface, model).routes[0]
        except (UnknownModel, BadRequest):
            return None
        reports = {each.name: each.phase for each in snapshot.health.instances}
        waits = route.on_demand and reports.get(route.instance) == "waiting"
        return identity(snapshot.surface, route) if waits else None

    async def open(
        self,
        model: str | None,
        make: MakeCall,
        *,
        over: AsyncExitStack,
        terms: Terms = AS_DECLARED,
        told: Callable[[Loading], object] | None = None,
    ) -> Answer:
        """Return the begun answer of the runner behind `model`; `over` closes it.

        `make` builds the call for a route, because the settings of a route are part of it. What has
        to be loaded first is loaded on these `terms`; `told` is how far that is.
        Raises UnknownModel, BadRequest, Busy (queue full), NotReady (deadline over, or the
        instance has failed) and EngineFailed.
        """
        begin = partial(self._begin, make=make, over=over)
        return await self._reached(model, begin, terms=terms, told=told)

    async def count(self, model: str | None, make: MakeChat) -> int:
        """Return how many tokens the prompt for `model` has, which is loaded for it if need be.

        Raises as `open` does.
        """
        return await self._reached(model, lambda route: count_tokens(route.socket, make(route)))

    async def _reached(
        self,
        model: str | None,
        begin: Callable[[ServedRoute], Awaitable[Answered]],
        *,
        terms: Terms = AS_DECLARED,
        told: Callable[[Loading], object] | None = None,
    ) -> Answered:
        """Return what `begin` makes of the route behind a model, once one is up."""
        snapshot = self._snapshots.now()
        trouble: NotReady | Unreachable = NotReady("it is not loaded")
        while to_load(snapshot.surface, model) is None:
            destination = resolve(snapshot.surface, model)
            try:
                return await _first(self._up(destination, snapshot), begin)
            except Busy:
                raise
            except (NotReady, Unreachable) as error:
                trouble = error
            before, snapshot = snapshot, self._snapshots.now()
            if to_load(snapshot.surface, model) is not None or resolve(
                snapshot.surface, model
            ) == resolve(before.surface, model):
                break  # else it was switched while we asked: not a reason to wait in the queue
        with self._place(snapshot.surface.limits):
            _log.info("parked", model=model, why=str(trouble))
            follower = Follower(told, clock=time.monotonic)
            answer = await self._park(model, begin, trouble=trouble, terms=terms, follower=follower)
            follower.over()
            return answer

    def _up(self, destination: Destination, snapshot: Snapshot) -> Sequence[ServedRoute]:
        """Return the routes to try now. Where there is a choice the control plane's word counts;
        where there is none the runner itself is asked.
        """
        routes = destination.routes
        if len(routes) == 1:
            return routes
        reports = {each.name: each.phase for each in snapshot.health.instances}
        up = [each.instance for each in routes if reports.get(each.instance) in (None, "ready")]
        return self._spread.order(destination, up)

    async def _park(
        self,
        model: str | None,
        begin: Callable[[ServedRoute], Awaitable[Answered]],
        *,
        trouble: NotReady | Unreachable,
        terms: Terms,
        follower: Follower,
    ) -> Answered:
        began, flight = time.monotonic(), None
        while True:
            # Marked before asking: what changes while we ask must wake us afterwards.
            snapshot = self._snapshots.now()
            surface = snapshot.surface
            wanted = to_load(surface, model)
            raise_trouble(flight, there=wanted is None)
            if wanted is not None:
                follower.begun(wanted.name)
                flight = self._loads.begin(wanted, terms)
                await self._until_routed(model, flight, deadline=began + surface.load_deadline)
                continue
            routes = resolve(surface, model).routes
            deadline = began + _patience(surface, routes)
            mark = (snapshot, _socket_marks(routes))
            there = [each for each, socket in zip(routes, mark[1], strict=True) if socket]
            if there:
                try:
                    return await _first(there, begin)
                except Busy:
                    raise
                except (NotReady, Unreachable) as error:
                    trouble = error
            _refuse_hopeless(snapshot.health, routes)
            if routes[0].on_demand:
                follower.begun(identity(surface, routes[0]))
                await follower.look(routes[0])
            await self._wait(mark, routes, deadline=deadline, trouble=trouble)

    async def _until_routed(
        self, model: str | None, flight: asyncio.Future[None], *, deadline: float
    ) -> None:
        """Return once requests for a model lead somewhere, or when its load is over."""
        while to_load(self.snapshot().surface, model) is not None:
            if (left := deadline - time.monotonic()) <= 0:
                raise NotReady(f"`{model}` was not loaded in time", retry_after=5.0)
            await asyncio.wait({flight}, timeout=min(_POLL, left))
            if flight.done():
                return

    async def _begin(self, route: ServedRoute, *, make: MakeCall, over: AsyncExitStack) -> Answer:
        surface = self._snapshots.now().surface
        limits = surface.limits
        call = msgspec.structs.replace(
            make(route), queue=limits.queue, queue_deadline=limits.queue_deadline
        )
        events = self._ask(route.socket, call)
        try:
            first = await anext(events)
        except StopAsyncIteration:
            raise EngineFailed(f"the runner of {route.instance} answered nothing") from None
        except BaseException:
            await events.aclose()
            raise
        over.push_async_callback(events.aclose)
        return Answer(identity(surface, route), route, first, events)

    async def _wait(
        self,
        mark: _Mark,
        routes: Sequence[ServedRoute],
        *,
        deadline: float,
        trouble: NotReady | Unreachable,
    ) -> None:
        """Return when something changed or it is time to ask again anyway."""
        on_demand = any(each.on_demand for each in routes)
        until = time.monotonic() + (_POLL if on_demand else _ASK_AGAIN)
        while (now := time.monotonic()) < min(until, deadline):
            await asyncio.sleep(min(_POLL, deadline - now))
            if (self._snapshots.now(), _socket_marks(routes)) != mark:
                return
        if time.monotonic() >= deadline:
            raise NotReady(
                f"{routes[0].instance} is not ready: {trouble}",
                retry_after=getattr(trouble, "retry_after", 1.0),
                hint=trouble.hint or "`lmctl status` tells what it is waiting for",
            ) from trouble

    @contextmanager
    def _place(self, limits: Limits) -> Iterator[None]:
        if self._parked >= limits.queue:
            raise Busy(f"{self._parked} requests already wait for a model to be ready")
        self._parked += 1
        self.metrics.parked(1)
        try:
            yield
        finally:
            self._parked -= 1
            self.metrics.parked(-1)


async def _first(
    routes: Sequence[ServedRoute], ask: Callable[[ServedRoute], Awaitable[Answered]]
) -> Answered:
    """Return what the first route that takes the question answers.

    Raises what the first of them had against it when none does.
    """
    troubles: list[NotReady | Unreachable] = []
    for route in routes:
        try:
            return await ask(route)
        except Busy:
            raise
        except (NotReady, Unreachable) as error:
            troubles.append(error)
    raise troubles[0] if troubles else NotReady("no target of it is up")


def _patience(surface: Surface, routes: Sequence[ServedRoute]) -> float:
    """Return how long a request may wait: what is loaded for it takes its time."""
    if any(each.on_demand for each in routes):
        return surface.load_deadline
    return surface.limits.queue_deadline


def _refuse_hopeless(health: Health, routes: Sequence[ServedRoute]) -> None:
    """Raise NotReady when none of the routes is worth waiting for."""
    reports = {each.name: each for each in health.instances}
    found = [reports.get(each.instance) for each in routes]
    if any(each is None or each.phase not in _HOPELESS for each in found):
        return
    worst = next(each for each in found if each is not None)
    why = f": {worst.reason}" if worst.reason else ""
    raise NotReady(
        f"{worst.name} {_HOPELESS[worst.phase]}{why}",
        retry_after=5.0,
        hint=f"`lmctl get instance/{worst.name}` tells more",
    )


def _socket_marks(routes: Sequence[ServedRoute]) -> tuple[tuple[int, int] | None, ...]:
    return tuple(_socket_mark(each.socket) for each in routes)


def _socket_mark(path: str) -> tuple[int, int] | None:
    """Return which socket lies at a path (a restarted runner makes another), None for none."""
    try:
        status = os.stat(path)  # noqa: PTH116 - as in snapshot
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
