"""The part of the control API by which people say what is to be left alone."""

from typing import Any, TypeVar

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import Request, Response

from lmctl.base.errors import LmctlError, NotFound, Refused
from lmctl.daemon.box import Box

_T = TypeVar("_T")


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
        asked = await _asked(req, Rollback)
        resp.media = await self._box.rollback(asked.generation, by=asked.by, reason=asked.reason)


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
        asked = await _asked(req, Suspend)
        self._box.suspend(asked.subject, reason=asked.reason, by=asked.by, until=asked.until)
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
        asked = await _asked(req, Resume)
        ended = self._box.resume(asked.what, by=asked.by)
        await self._box.fresh()
        resp.media = {"ended": ended}


async def tell_error(_req: Request, resp: Response | None, error: LmctlError, _params: Any) -> None:
    """Answer an error of ours with its message and hint, so that the command line can say both."""
    if resp is None:
        raise error
    match error:
        case NotFound():
            resp.status = falcon.HTTP_404
        case Refused():
            resp.status = falcon.HTTP_409
        case _:
            resp.status = falcon.HTTP_503
    resp.media = {"error": {"message": str(error), "hint": error.hint}}


async def _asked(req: Request, kind: type[_T]) -> _T:
    try:
        return msgspec.convert(await req.get_media(default_when_empty={}), kind)
    except msgspec.ValidationError as error:
        raise falcon.HTTPBadRequest(description=str(error)) from error
