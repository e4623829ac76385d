"""Which of several targets the next request goes to: in order, or spread by weight.

The spread is nginx's smooth weighted round-robin: of any run of requests each target gets its share
to within one, as evenly mixed as can be, and the same run always goes the same way.
"""

from collections.abc import Collection

from lmctl.planning.surface import ServedRoute
from lmctl.serving.routes import Destination


class Spread:
    """Remembers whose turn it is, for one worker."""

    def __init__(self) -> None:
        self._turns: dict[str, dict[str, int]] = {}

    def order(self, destination: Destination, up: Collection[str]) -> list[ServedRoute]:
        """Return the routes to try for one request, the chosen one first: targets whose instance is
        `up`, then fallbacks that are.
        """
        targets = [(route, weight) for route, weight in destination.targets if weight != 0]
        ready = [(route, weight) for route, weight in targets if route.instance in up]
        weights = {route.instance: weight for route, weight in ready if weight is not None}
        chosen = self._choose(destination.name, weights) if len(weights) > 1 else ""
        first = [route for route, _ in ready if route.instance == chosen]
        rest = [route for route in destination.routes if route.instance in up]
        return first + [route for route in rest if route not in first]

    def _choose(self, name: str, weights: dict[str, int]) -> str:
        before = self._turns.get(name, {})
        turns = {each: before.get(each, 0) + weight for each, weight in weights.items()}
        chosen = max(turns, key=lambda each: turns[each])
        turns[chosen] -= sum(weights.values())
        self._turns[name] = turns
        return chosen
