"""The time a whole request may take.

At its end the request's own task is cancelled: whatever it waits for stops at once, its slot in the
runner included. The cancellation then becomes the error a client is told, before the status is out
or in the stream.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from lmctl.api.catalogue import Overdue
from lmctl.api.closing import Exchange
from lmctl.base.quantities import format_duration


@contextmanager
def in_time(exchange: Exchange) -> Iterator[None]:
    """Bound a request by the Server's `requestDeadline`. Raises Overdue once it is over."""
    seconds = exchange.surface.limits.request_deadline
    if seconds is not None and not exchange.limit.expired():
        exchange.limit.reschedule(exchange.began + seconds)
    try:
        yield
    except asyncio.CancelledError:
        if not exchange.limit.expired():
            raise
        told = f"the request was not done within {format_duration(seconds or 0.0)}"
        hint = "ask for less, or raise `spec.limits.requestDeadline` of the Server"
        raise Overdue(told, hint=hint) from None
