"""Whether a server can be reached at all, and what time it says it is."""

import asyncio
from email.utils import parsedate_to_datetime

import httpx2

from lmctl.adapters.outbound import leave_for
from lmctl.adapters.weights.http_get import host_of
from lmctl.base.errors import Unreachable


async def clock_of(url: str, *, seconds: float) -> float | None:
    """Return the time a server says it is, in unix seconds, None where it says none.

    Raises Unreachable when it does not answer within so many seconds, Refused while offline.
    """
    leave_for(url)
    try:
        async with asyncio.timeout(seconds), httpx2.AsyncClient(timeout=seconds) as client:
            answer = await client.head(url)
    except (httpx2.HTTPError, TimeoutError) as error:
        why = str(error) or type(error).__name__
        raise Unreachable(f"{host_of(url)} cannot be reached: {why}") from error
    said = answer.headers.get("date")
    return parsedate_to_datetime(said).timestamp() if said else None
