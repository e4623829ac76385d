"""Carries out plans: what can start starts, what is no longer wanted stops, endings are kept.

Steps run side by side; two steps never touch the same subject at once. A step that left the plan
is cancelled, which is how a newer edit supersedes slow work.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from math import inf

from lmctl.base.errors import LmctlError
from lmctl.base.spec import FailureKind
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled, Superseded, Waiting
from lmctl.planning.plan import (
    LoadInstance,
    Plan,
    Planned,
    RestoreInstance,
    StartGateway,
    Step,
)

Act = Callable[[Step], Awaitable[Outcome]]

# reconciler.md 3.7: 1 s doubling to 60 s, reset after ten healthy minutes; capacity every ten.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
HEALTHY = 600.0
CAPACITY_PAUSE = 600.0
INTEGRITY_TRIES = 3
# Seconds a step that left the plan may go on when nothing else wants its subject: what it is for
# was just seen, and it is about to say so itself.
LAST_WORDS = 5.0


# Steps whose work is a process: one that keeps dying must not be started in a tight loop.
PROCESSES = (LoadInstance, RestoreInstance, StartGateway)


@dataclass(slots=True)
class _Account:
    """How a step went so far: `failures` in a row, `repeats` how often it was done again after
    the first time, within ten minutes of the last; `due` is when it may be tried again. `inputs`
    is what it was tried with.
    """

    outcome: Outcome
    at: float
    failures: int = 0
    repeats: int = -1
    due: float = 0.0
    inputs: str = ""


@dataclass(slots=True)
class _Running:
    planned: Planned
    task: asyncio.Task[None]
    unplanned_since: float | None = None
    cancelled: bool = False


class Executor:
    """Runs the ready steps of the latest plan.

    `started` is told every step with the generation it is for before it does anything, `ended`
    every ending before `wake` asks the loop for another turn.
    """

    def __init__(
        self,
        act: Act,
        *,
        wake: Callable[[], None],
        clock: Callable[[], float],
        started: Callable[[Planned, int], None],
        ended: Callable[[Planned, Outcome], None],
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._act = act
        self._wake = wake
        self._clock = clock
        self._started = started
        self._ended = ended
        self._jitter = jitter
        self._running: dict[str, _Running] = {}
        self._accounts: dict[str, _Account] = {}
        self._generation = 0

    @property
    def outcomes(self) -> Mapping[str, Outcome]:
        """Return the last ending of each step that is not being tried again now, by key."""
        accounts = self._accounts.items()
        return {key: each.outcome for key, each in accounts if key not in self._running}

    @property
    def running(self) -> frozenset[str]:
        return frozenset(self._running)

    def forgive(self) -> None:
        """Forget failures: a person asked for another try."""
        self._accounts.clear()

    def settle(self, plan: Plan) -> float | None:
        """Start and cancel tasks so that they follow the plan.

        Returns the seconds until a step that backs off may be tried again, or None.
        """
        now = self._clock()
        if plan.generation != self._generation:
            self._generation = plan.generation
            self.forgive()  # an edit is a person asking for another try
        self._forget_old(now)
        steps = plan.by_key()
        pauses = [self._let_go(each, steps, now) for each in self._running.values()]
        for planned in plan.ready():
            if planned.key in self._running or self._touched(planned.step.subject):
                continue
            due = self._due(planned, now)
            if due <= now:
                self._start(planned)
            elif due != inf:
                pauses.append(due - now)
        return min((each for each in pauses if each is not None), default=None)

    async def stop(self) -> None:
        """Cancel what runs and wait for it to reach a safe point."""
        running = list(self._running.values())
        for each in running:
            self._cancel(each, "the daemon stops")
        await asyncio.gather(*(each.task for each in running), return_exceptions=True)

    def _let_go(self, running: _Running, steps: Mapping[str, Planned], now: float) -> float | None:
        """Cancel a step that left the plan: at once when another step wants its subject. So is one
        before which something else must now happen to the same subject: it would never end.
        """
        planned = steps.get(running.planned.key)
        if planned is not None:
            running.unplanned_since = None
            if _too_early(planned, steps):
                self._cancel(running, "something else must be done first")
            return None
        if running.unplanned_since is None:
            running.unplanned_since = now
        subject = running.planned.step.subject
        wanted = any(each.step.subject == subject and not each.held for each in steps.values())
        left = running.unplanned_since + LAST_WORDS - now
        if wanted or left <= 0:
            self._cancel(running, "no longer planned")
            return None
        return left

    def _cancel(self, running: _Running, why: str) -> None:
        """Cancel once: a second time would interrupt what the step does to end well."""
        if not running.cancelled:
            running.cancelled = True
            running.task.cancel(why)

    def _due(self, planned: Planned, now: float) -> float:
        """Return when a step may start; work that was done and lost again is charged for."""
        account = self._accounts.get(planned.key)
        if account is None:
            return now
        if isinstance(account.outcome, Stalled) and account.inputs != planned.inputs:
            return now  # what it could not work with has changed
        lost = isinstance(account.outcome, Done) and isinstance(planned.step, PROCESSES)
        if lost and account.repeats > 0:
            account.due = account.at + self._pause(account.repeats)
            account.outcome = Failed("needed again soon after it was done", FailureKind.TRANSIENT)
        return account.due

    def _touched(self, subject: str) -> bool:
        return any(each.planned.step.subject == subject for each in self._running.values())

    def _start(self, planned: Planned) -> None:
        self._started(planned, self._generation)
        task = asyncio.get_running_loop().create_task(self._run(planned), name=planned.key)
        self._running[planned.key] = _Running(planned, task)

    async def _run(self, planned: Planned) -> None:
        try:
            outcome = await self._outcome(planned.step)
            self._account(planned, outcome)
        except asyncio.CancelledError as error:
            outcome = Superseded(str(error) or "cancelled")
            raise
        finally:
            self._ended(planned, outcome)
            del self._running[planned.key]
            self._wake()

    async def _outcome(self, step: Step) -> Outcome:
        try:
            return await self._act(step)
        except LmctlError as error:
            return Failed(str(error), FailureKind.TRANSIENT)
        except Exception as error:  # noqa: BLE001 # a bug in one step must not end the loop
            return Failed(f"{type(error).__name__}: {error}", FailureKind.BUG)

    def _account(self, planned: Planned, outcome: Outcome) -> None:
        now = self._clock()
        before = self._accounts.get(planned.key) or _Account(outcome, now)
        failures, repeats, due = before.failures + 1, before.repeats, now
        match outcome:
            case Failed(kind=FailureKind.INTEGRITY) if failures >= INTEGRITY_TRIES:
                outcome, due = Stalled(outcome.reason), inf
            case Failed(kind=FailureKind.CAPACITY):
                due = now + CAPACITY_PAUSE
            case Failed(retry_after=asked):
                due = now + (asked if asked is not None else self._pause(failures))
            case Waiting(retry_after=asked):
                failures, due = before.failures, now + asked
            case Stalled():
                due = inf
            case Done():
                # The first loss of what was done is free: a runner that died is back at once.
                failures, repeats = 0, repeats + 1
            case Superseded():
                return
        self._accounts[planned.key] = _Account(outcome, now, failures, repeats, due, planned.inputs)

    def _pause(self, failures: int) -> float:
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (failures - 1))
        return longest * (0.5 + self._jitter() / 2)

    def _forget_old(self, now: float) -> None:
        for key, account in list(self._accounts.items()):
            if isinstance(account.outcome, Done) and now - account.at > HEALTHY:
                del self._accounts[key]


def _too_early(planned: Planned, steps: Mapping[str, Planned]) -> bool:
    before = (steps[key] for key in planned.after if key in steps)
    return any(each.step.subject == planned.step.subject and not each.held for each in before)
