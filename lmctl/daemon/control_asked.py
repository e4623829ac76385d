"""How the control API reads what is asked, and how it says no."""

from typing import Any, TypeVar

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import Request, Response

from lmctl.base.errors import Conflict, LmctlError, NotFound, Refused, Stale

_T = TypeVar("_T")


async def asked(req: Request, kind: type[_T]) -> _T:
    """Return the body as a struct; nothing is one too, where every field has a default."""
    try:
        return msgspec.convert(await req.get_media(default_when_empty={}), kind)
    except msgspec.ValidationError as error:
        raise falcon.HTTPBadRequest(description=str(error)) from error


async def tell_error(_req: Request, resp: Response | None, error: LmctlError, _params: Any) -> None:
    """Answer an error of ours with its message and hint, so that the command line can say both."""
    if resp is None:
        raise error
    code = None
    match error:
        case NotFound():
            resp.status = falcon.HTTP_404
        case Stale():
            resp.status = falcon.HTTP_412
        case Conflict():
            resp.status, code = falcon.HTTP_409, "declared"
        case Refused():
            resp.status = falcon.HTTP_409
        case _:
            resp.status = falcon.HTTP_503
    moved = error.moved if isinstance(error, Stale) else ()
    told = {"message": str(error), "hint": error.hint, "moved": moved, "code": code}
    resp.media = {"error": told}
