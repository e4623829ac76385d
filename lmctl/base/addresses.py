"""Addresses: URLs as they may be shown and written down, and whether a host is this machine."""

import ipaddress


def bare_url(url: str) -> str:
    """Return the address without what may be secret: user, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    rest = rest.partition("#")[0].partition("?")[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


def is_loopback(host: str) -> bool:
    """Say whether a name or an address can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback
