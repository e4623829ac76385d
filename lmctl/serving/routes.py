"""From the model a client asked for to where it is served (contract 1.4, OpenAI family)."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from lmctl.base.errors import BadRequest, NotFound
from lmctl.planning.surface import Loadable, ServedAlias, ServedRoute, Surface

_MOST_NAMES_TOLD = 20


class UnknownModel(NotFound):
    """No route and no served model has the name that was asked for."""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where requests for a name go: targets with their weights (None: tried in order), and the
    fallbacks for when no target is up. `name` is that of the Route, or of the instance.
    """

    name: str
    targets: tuple[tuple[ServedRoute, int | None], ...]
    fallback: tuple[ServedRoute, ...] = ()

    @property
    def routes(self) -> tuple[ServedRoute, ...]:
        """Return the routes it may lead to, each once, the most wanted first."""
        wanted = (*(route for route, weight in self.targets if weight != 0), *self.fallback)
        return tuple({route.instance: route for route in reversed(wanted)}.values())[::-1]


def resolve(surface: Surface, asked: str | None) -> Destination:
    """Return where a name leads: a public name, else a model by its key, else the only instance
    there is.

    Raises UnknownModel when several instances are served, BadRequest when none is.
    """
    if not surface.routes:
        raise BadRequest(
            "no model is served",
            param="model",
            hint="declare an Instance, or see what keeps it from being ready with `lmctl status`",
        )
    route = _named(surface, asked)
    if route is None and (alias := _alias(surface, asked)) is not None:
        return _behind(surface, alias)
    route = route or _of_model(surface, asked) or _only(surface) or _unknown(surface, asked)
    return Destination(route.instance, ((route, None),))


def is_known(surface: Surface, asked: str) -> bool:
    """Say whether a name is served as such, or would be loaded: a public name, or a model key in
    any case.
    """
    if to_load(surface, asked) is not None:
        return True
    named = _named(surface, asked) or _alias(surface, asked) or _of_model(surface, asked)
    return named is not None


def to_load(surface: Surface, asked: str | None) -> Loadable | None:
    """Return what must be loaded before a name can be answered; None where something is, or where
    nothing could be: an id, else a Route whose instances wait, else a model key in any case.
    """
    if asked is None or not surface.loadable or _named(surface, asked) is not None:
        return None
    found = next((each for each in surface.loadable if each.name == asked), None)
    if found is not None:
        return found
    if (alias := _alias(surface, asked)) is not None:
        return _waiting_behind(surface, alias)
    meant = _meant(asked, _models(surface))
    if any(each.model == meant for each in surface.routes):
        return None
    return next((each for each in surface.loadable if each.model == meant), None)


def _waiting_behind(surface: Surface, alias: ServedAlias) -> Loadable | None:
    """Return the first target that waits for a request, unless one of them is served."""
    names = [*(each.instance for each in alias.targets if each.weight != 0), *alias.fallback]
    if any(route.instance in names for route in surface.routes):
        return None
    waiting = {each.instance: each for each in surface.loadable if each.instance}
    return next((waiting[name] for name in names if name in waiting), None)


def public_names(surface: Surface) -> list[str]:
    """Return every name that clients may ask for, in order; what a request would load too."""
    aliases = {name for each in surface.aliases for name in each.names}
    loadable = {each.name for each in surface.loadable}
    return sorted({route.name for route in surface.routes} | aliases | loadable)


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
    return next((route for route in surface.routes if route.name == asked), None)


def _alias(surface: Surface, asked: str | None) -> ServedAlias | None:
    return next((alias for alias in surface.aliases if asked in alias.names), None)


def _behind(surface: Surface, alias: ServedAlias) -> Destination:
    settings = surface.presets.get(alias.preset, {})
    routes = {route.instance: _over(route, settings) for route in reversed(surface.routes)}
    targets = [(routes.get(each.instance), each.weight) for each in alias.targets]
    fallback = [routes[name] for name in alias.fallback if name in routes]
    found = Destination(
        alias.name, tuple((route, weight) for route, weight in targets if route), tuple(fallback)
    )
    if not found.routes:
        raise BadRequest(
            f"nothing is served behind `{alias.name}`",
            param="model",
            hint=f"`lmctl get route/{alias.name}` tells what it leads to",
        )
    return found


def _over(route: ServedRoute, settings: Mapping[str, Any]) -> ServedRoute:
    """Return a route on which these settings count before its own."""
    if not settings:
        return route
    return msgspec.structs.replace(route, operation={**route.operation, **settings})


def _of_model(surface: Surface, asked: str | None) -> ServedRoute | None:
    meant = _meant(asked or "", (each.model for each in surface.routes))
    return next((route for route in surface.routes if route.model == meant), None)


def _models(surface: Surface) -> Iterator[str]:
    yield from (each.model for each in surface.routes)
    yield from (each.model for each in surface.loadable)


def _meant(asked: str, keys: Iterable[str]) -> str | None:
    """Return the model key that is asked for (contract 1.4): as it is written, in any case; else the
    same without the variant (`@q4_k_m`) where only one side says one; else the only model that is
    called so, whoever published it.
    """
    folded = {each.casefold(): each for each in keys}
    if (key := asked.casefold()) in folded:
        return folded[key]
    name, _, variant = key.partition("@")
    parts = [(each, *each.partition("@")[::2]) for each in sorted(folded)]
    fits = [each for each in parts if each[2] == variant or not (each[2] and variant)]
    same = [each for each in fits if each[1] == name]
    if not same and name and "/" not in name:
        same = [each for each in fits if each[1].rpartition("/")[2] == name]
        if len({each[1] for each in same}) > 1:
            return None
    same.sort(key=lambda each: each[2] != variant)
    return folded[same[0][0]] if same else None


def _only(surface: Surface) -> ServedRoute | None:
    instances = {route.instance for route in surface.routes}
    return surface.routes[0] if len(instances) == 1 else None


def _unknown(surface: Surface, asked: str | None) -> ServedRoute:
    hint = f"known: {', '.join(_told(public_names(surface)))}"
    if asked is None:
        raise UnknownModel("`model` is missing and several are served", hint=hint)
    raise UnknownModel(f"no model named `{asked}`", hint=hint)


def _told(names: list[str]) -> Iterator[str]:
    left = len(names) - _MOST_NAMES_TOLD
    yield from names[: _MOST_NAMES_TOLD - (left > 0)]
    if left > 0:
        yield f"{names[_MOST_NAMES_TOLD - 1]} and {left} more"
