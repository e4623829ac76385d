"""The door out of this machine: whatever is sent elsewhere asks here first.

`LMCTL_OFFLINE=1` (`lmctl --offline` sets it) or `HF_HUB_OFFLINE=1` shuts it. This machine itself, by
name or loopback address, is not elsewhere.
"""

import os
from typing import Final
from urllib.parse import urlsplit

from lmctl.base.addresses import is_loopback
from lmctl.base.errors import Refused

VARIABLE: Final = "LMCTL_OFFLINE"
_VARIABLES: Final = (VARIABLE, "HF_HUB_OFFLINE")
_YES: Final = frozenset({"1", "true", "yes", "on"})


def shut_by() -> str | None:
    """Return the environment variable that shuts the door, None while it is open."""
    return next((each for each in _VARIABLES if os.environ.get(each, "").lower() in _YES), None)


def leave_for(place: str) -> None:
    """Pass for an address, or a place in words; raises Refused, naming it, while the door is shut."""
    variable = shut_by()
    if variable is None:
        return
    host = urlsplit(place).hostname if "://" in place else None
    if host is not None and is_loopback(host):
        return
    raise Refused(
        f"offline: {host or place} is not asked",
        hint=f"{variable} is set; unset it for the daemon and restart it, or leave `--offline` out",
    )
