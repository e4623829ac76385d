"""Addresses (URLs) as they may be shown and written down."""


def bare_url(url: str) -> str:
    """Return the address without what may be secret: user, password, query and fragment."""
    scheme, separator, rest = url.partition("://")
    rest = rest.partition("#")[0].partition("?")[0]
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
