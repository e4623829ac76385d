"""What a service manager is told (sd_notify(3)): ready, how things are, still alive, ending.

The protocol is one datagram per message on a unix socket named by `$NOTIFY_SOCKET`; systemd
restarts a service of which it has heard no `WATCHDOG=1` for `$WATCHDOG_USEC` microseconds.
"""

import os
import socket
from collections.abc import MutableMapping
from math import inf

_PINGS = 3  # in the time after which silence counts as death


class ServiceManager:
    """Whoever started this process and wants to hear of it; without one every word is dropped."""

    def __init__(self, address: str, *, patience: float = inf) -> None:
        """`patience`: seconds of silence after which it restarts us."""
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.beat = patience / _PINGS

    def ready(self) -> None:
        """Say that the service is up."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Say that the loop goes round; wanted every `beat` seconds."""
        if self.beat != inf:
            self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._tell(f"STATUS={text.replace(chr(10), ' ')}")

    def stopping(self) -> None:
        """Say that the service ends."""
        self._tell("STOPPING=1")

    def _tell(self, message: str) -> None:
        """Send a message; a manager that cannot be reached must not end us, its watchdog may."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.settimeout(0)
                line.sendto(message.encode(), self._address)
        except OSError:
            return


def service_manager(environment: MutableMapping[str, str] | None = None) -> ServiceManager:
    """Return the one the environment names, and take its variables away: they are meant for this
    process, and gunicorn in our gateway would speak to it too.
    """
    known = os.environ if environment is None else environment
    address = known.pop("NOTIFY_SOCKET", "")
    microseconds = known.pop("WATCHDOG_USEC", "")
    meant_for = known.pop("WATCHDOG_PID", "") or str(os.getpid())
    watched = microseconds.isdigit() and int(microseconds) > 0 and meant_for == str(os.getpid())
    return ServiceManager(address, patience=int(microseconds) / 1e6 if watched else inf)
