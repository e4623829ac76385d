"""Carries out plans: what can start starts, what is no longer wanted stops, endings are kept.

Steps run side by side; two steps never touch the same subject at once. A step that left the plan
is cancelled, which is how a newer edit supersedes slow work.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from lmctl.base.errors import LmctlError
from lmctl.base.spec import FailureKind
from lmctl.planning.outcome import Done, Failed, Outcome, Stalled, Waiting
from lmctl.planning.plan import Plan, Planned, Step

Act = Callable[[Step], Awaitable[Outcome]]

# reconciler.md 3.7: 1 s doubling to 60 s, reset after ten healthy minutes; capacity every ten.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
HEALTHY = 600.0
CAPACITY_PAUSE = 600.0
INTEGRITY_TRIES = 3


@dataclass(slots=True)
class _Account:
    """How a step went so far; `due` is when it may be tried again."""

    outcome: Outcome
    at: float
    failures: int = 0
    due: float = 0.0


@dataclass(slots=True)
class _Running:
    planned: Planned
    task: asyncio.Task[None]


class Executor:
    """Runs the ready steps of the latest plan.

    `ended` is told every ending before `wake` asks the loop for another turn.
    """

    def __init__(
        self,
        act: Act,
        *,
        wake: Callable[[], None],
        clock: Callable[[], float],
        started: Callable[[Planned], None],
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
        for key, each in self._running.items():
            if key not in plan.keys:
                each.task.cancel("no longer planned")
        self._forget_old(now)
        pauses = []
        for planned in plan.ready():
            account = self._accounts.get(planned.key)
            if planned.key in self._running or self._touched(planned.step.subject):
                continue
            if account is not None and isinstance(account.outcome, Done):
                self._charge_repeat(account, now)
            if account is not None and account.due > now:
                if account.due != float("inf"):
                    pauses.append(account.due - now)
                continue
            self._start(planned)
        return min(pauses, default=None)

    async def stop(self) -> None:
        """Cancel what runs and wait for it to reach a safe point."""
        tasks = [each.task for each in self._running.values()]
        for task in tasks:
            task.cancel("the daemon stops")
        await asyncio.gather(*tasks, return_exceptions=True)

    def _touched(self, subject: str) -> bool:
        return any(each.planned.step.subject == subject for each in self._running.values())

    def _start(self, planned: Planned) -> None:
        self._started(planned)
        task = asyncio.get_running_loop().create_task(self._run(planned), name=planned.key)
        self._running[planned.key] = _Running(planned, task)

    async def _run(self, planned: Planned) -> None:
        try:
            outcome = await self._outcome(planned.step)
            self._account(planned, outcome)
            self._ended(planned, outcome)
        finally:
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
        before = self._accounts.get(planned.key)
        failures = before.failures if before else 0
        due = now
        match outcome:
            case Failed(kind=FailureKind.INTEGRITY) if failures + 1 >= INTEGRITY_TRIES:
                outcome, due = Stalled(outcome.reason), float("inf")
            case Failed(kind=FailureKind.CAPACITY):
                due = now + CAPACITY_PAUSE
            case Failed(retry_after=asked):
                failures += 1
                due = now + (asked if asked is not None else self._pause(failures))
            case Waiting(retry_after=asked):
                due = now + asked
            case Stalled():
                due = float("inf")
            case Done():
                pass
        self._accounts[planned.key] = _Account(outcome, now, failures, due)

    def _charge_repeat(self, account: _Account, now: float) -> None:
        """Count a step that must be done again soon after it went well: it fails slowly.

        The first repeat is free: a runner that died is started again at once.
        """
        if account.failures:
            account.due = account.at + self._pause(account.failures)
            account.outcome = Failed("needed again soon after it was done", FailureKind.TRANSIENT)
        account.failures += 1
        account.at = now

    def _pause(self, failures: int) -> float:
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** (failures - 1))
        return longest * (0.5 + self._jitter() / 2)

    def _forget_old(self, now: float) -> None:
        for key, account in list(self._accounts.items()):
            if isinstance(account.outcome, Done) and now - account.at > HEALTHY:
                del self._accounts[key]
