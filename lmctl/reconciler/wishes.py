"""What people asked to be left alone, as the loop sees it: holds and suspensions, and their ends."""

from collections.abc import Callable

from lmctl.adapters.pauses import Pauses
from lmctl.base.errors import NotFound, Refused
from lmctl.planning.desired import DesiredState
from lmctl.planning.limits import limited
from lmctl.planning.pauses import Hold, Limit, Suspension, expiry, suspend

Tell = Callable[[str, str, str], object]


class Wishes:
    """Applies them to a reading, and takes new ones.

    `tell` is told (subject, reason, message) whatever begins or ends; it is called on the loop.
    """

    def __init__(self, pauses: Pauses, *, clock: Callable[[], float], tell: Tell) -> None:
        self._pauses = pauses
        self._clock = clock
        self._tell = tell
        # The digest whose hold a person ended: what comes into force by that is no edit.
        self.resumed = ""

    def hold(self) -> Hold | None:
        return self._pauses.hold()

    def suspensions(self) -> tuple[Suspension, ...]:
        return self._pauses.suspensions()

    def suspend(self, desired: DesiredState) -> tuple[DesiredState, float | None]:
        """Return the desired state with what is suspended now, and the seconds until that changes."""
        now = self._clock()
        for each in self._pauses.take_over(now):
            self._tell(each.subject, "Resumed", f"its suspension is over: {each.reason}")
        found = self._pauses.suspensions()
        end = expiry(found)
        return suspend(desired, found), None if end is None else end - now

    def limit(self, desired: DesiredState, digest: str) -> DesiredState:
        """Return the desired state with the objects that alone are to be worked on, if that was
        asked for what the folders say now; a newer edit ends it.
        """
        limit = self._pauses.limit()
        if limit is None:
            return desired
        if limit.digest != digest:
            self.put_limit(None)
            return desired
        return limited(desired, limit.only)

    def put_limit(self, limit: Limit | None) -> None:
        """Work on some objects only; None: on all again."""
        before = self._pauses.limit()
        self._pauses.put_limit(limit)
        if limit is not None:
            self._tell(
                "box", "Limited", f"only {', '.join(limit.only)} until the next apply or edit"
            )
        elif before is not None:
            self._tell("box", "Unlimited", f"no longer only {', '.join(before.only)}")

    def over(self, hold: Hold) -> None:
        """End a hold because the folders say something else than what is held."""
        self._pauses.release()
        message = f"no longer held at generation {hold.generation}: the folders have a newer edit"
        self._tell("box", "Released", message)

    def put_hold(self, hold: Hold) -> None:
        """Keep an earlier generation in force until the folders say something else."""
        self._pauses.put_hold(hold)
        self._tell("box", "RolledBack", str(hold))

    def release(self, by: str) -> Hold | None:
        """End the hold, so that what the folders say comes into force; returns the one there was."""
        hold = self._pauses.release()
        if hold is not None:
            self.resumed = hold.digest
            message = f"no longer held at generation {hold.generation}{_who(by)}"
            self._tell("box", "Released", message)
        return hold

    def add(self, new: Suspension, desired: DesiredState | None) -> None:
        """Leave a subject alone from now on.

        Raises NotFound for an object that is not there and Refused for an end that is past.
        """
        check_subject(new.subject, desired)
        if new.until is not None and new.until <= self._clock():
            raise Refused("`until` is in the past", hint="give a time to come or a duration")
        self._pauses.suspend(new)
        self._tell(new.subject, "Suspended", str(new))

    def resume(self, what: str, by: str, desired: DesiredState | None) -> list[str]:
        """End the suspension of a subject, the `hold` of a rollback, or `all` of them; returns what
        ended, in words.

        Raises NotFound when there is no such thing, Refused when a manifest suspends the subject.
        """
        ended: list[str] = []
        if what != "hold":
            ended = self._resume(None if what == "all" else what, by)
        if what in ("all", "hold") and (hold := self.release(by)) is not None:
            ended.append(f"the hold at generation {hold.generation}")
        if not ended and what != "all":
            _explain(what, desired)
        return ended

    def _resume(self, subject: str | None, by: str) -> list[str]:
        ended = self._pauses.resume(subject)
        for each in ended:
            self._tell(each.subject, "Resumed", f"no longer suspended{_who(by)}: {each.reason}")
        return [each.subject for each in ended]


def _who(by: str) -> str:
    return f" by {by}" if by else ""


def subjects_of(desired: DesiredState) -> tuple[str, ...]:
    """Return every subject that can be suspended: the box and each declared object."""
    return (
        "box",
        *(f"instance/{each.name}" for each in desired.instances),
        *(f"model/{each.model}" for each in desired.weights),
        *(f"runtime/{each.name}" for each in desired.runtimes),
        *(("server/gateway",) if desired.gateway is not None else ()),
    )


def check_subject(subject: str, desired: DesiredState | None) -> None:
    """Raise NotFound unless the subject is the box or something declared."""
    known = subjects_of(desired) if desired is not None else ("box",)
    if subject not in known:
        raise NotFound(f"no `{subject}` to suspend", hint=f"there is: {', '.join(known)}")


def _explain(subject: str, desired: DesiredState | None) -> None:
    if subject == "hold":
        raise NotFound("no rollback is held", hint="`lmctl status` shows what is")
    why = desired.suspended.get(subject) if desired is not None else None
    if why is not None:
        raise Refused(
            f"`{subject}` is suspended by its manifest: {why}",
            hint="take `suspend: true` out there",
        )
    raise NotFound(f"`{subject}` is not suspended", hint="`lmctl status` shows what is")
