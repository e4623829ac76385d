"""From the model a client asked for to the route that serves it (contract 1.4, OpenAI family)."""

from lmctl.base.errors import BadRequest, NotFound
from lmctl.planning.surface import ServedRoute, Surface

_MOST_NAMES_TOLD = 20


class UnknownModel(NotFound):
    """No route and no served model has the name that was asked for."""


def resolve(surface: Surface, asked: str | None) -> ServedRoute:
    """Return the route for a name: a route's own name, else a model key in any case, else the
    only instance there is.

    Raises UnknownModel when several instances are served, BadRequest when none is.
    """
    if not surface.routes:
        raise BadRequest(
            "no model is served",
            param="model",
            hint="declare an Instance, or see what keeps it from being ready with `lmctl status`",
        )
    return _named(surface, asked) or _only(surface) or _unknown(surface, asked)


def identity(surface: Surface, route: ServedRoute) -> str:
    """Return the id clients know the instance of a route by, always one that is listed.

    That is the route named like the instance, else the one named like its model, else its first.
    """
    names = [each.name for each in surface.routes if each.instance == route.instance]
    for name in names:
        if name == route.instance:
            return name
    for name in names:
        if name.casefold() == route.model.casefold():
            return name
    return names[0] if names else route.name


def _named(surface: Surface, asked: str | None) -> ServedRoute | None:
    if asked is None:
        return None
    for route in surface.routes:
        if route.name == asked:
            return route
    key = asked.casefold()
    for route in surface.routes:
        if route.model.casefold() == key:
            return route
    return None


def _only(surface: Surface) -> ServedRoute | None:
    instances = {route.instance for route in surface.routes}
    return surface.routes[0] if len(instances) == 1 else None


def _unknown(surface: Surface, asked: str | None) -> ServedRoute:
    names = sorted({route.name for route in surface.routes})
    listed = ", ".join(names[:_MOST_NAMES_TOLD])
    if left := len(names) - _MOST_NAMES_TOLD:
        listed += f" and {left} more" if left > 0 else ""
    if asked is None:
        raise UnknownModel("`model` is missing and several are served", hint=f"known: {listed}")
    raise UnknownModel(f"no model named `{asked}`", hint=f"known: {listed}")
