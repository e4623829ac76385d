"""How HTTP reaches the daemon's unix socket.

Nothing is encrypted there. Told so, httpx2 does not read the authorities that sign certificates,
which would take 30 ms and 3 MiB for every transport.
"""

from os import PathLike, fspath

import httpx2


def transport(socket: str | PathLike[str]) -> httpx2.HTTPTransport:
    """Return what carries requests to a socket."""
    return httpx2.HTTPTransport(uds=fspath(socket), verify=False)


def async_transport(socket: str | PathLike[str]) -> httpx2.AsyncHTTPTransport:
    """Return the same for an event loop."""
    return httpx2.AsyncHTTPTransport(uds=fspath(socket), verify=False)
