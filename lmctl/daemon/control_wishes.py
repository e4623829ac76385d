"""The part of the control API by which people say what is to be left alone."""

import msgspec
from falcon.asgi import Request, Response

from lmctl.daemon.box import Box
from lmctl.daemon.control_asked import asked


class Rollback(msgspec.Struct, frozen=True):
    """What is asked: a generation, by default the last that converged before this one."""

    generation: int | None = None
    by: str = ""
    reason: str = ""


class RollbackResource:
    """Bring an earlier generation back."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, req: Request, resp: Response) -> None:
        wish = await asked(req, Rollback)
        resp.media = await self._box.rollback(wish.generation, by=wish.by, reason=wish.reason)


class Suspend(msgspec.Struct, frozen=True):
    """What is asked: a subject, why, by whom, and in unix seconds until when."""

    subject: str
    reason: str
    by: str = ""
    until: float | None = None


class SuspendResource:
    """Leave an object, or the box, as it is."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, req: Request, resp: Response) -> None:
        wish = await asked(req, Suspend)
        self._box.suspend(wish.subject, reason=wish.reason, by=wish.by, until=wish.until)
        resp.media = await self._box.fresh()


class Resume(msgspec.Struct, frozen=True):
    """What is asked: to end the suspension of a subject, the `hold` of a rollback, or `all`."""

    what: str = "all"
    by: str = ""


class ResumeResource:
    """End suspensions, and the hold of a rollback."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, req: Request, resp: Response) -> None:
        wish = await asked(req, Resume)
        ended = self._box.resume(wish.what, by=wish.by)
        await self._box.fresh()
        resp.media = {"ended": ended}
