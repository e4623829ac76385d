"""A process that fetches one address into a home and says on stdout how far it is.

Arguments: home, url, sha256. Prints the bytes done per report, then `stored`.
"""

import asyncio
import sys
from pathlib import Path

from lmctl.adapters.weights.store import WeightsStore
from lmctl.adapters.weights.wanted import Timing
from lmctl.planning.weights_values import UrlSource, Weights


def say(word: object) -> None:
    """Write a line that the test reads at once."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def main() -> None:
    home, url, sha256 = sys.argv[1:]
    store = WeightsStore(Path(home), timing=Timing(stall=1))
    weights = Weights("acme/m", (UrlSource(url, "m.gguf", sha256),))
    await store.fetch(weights, lambda each: say(each.done))
    say("stored")


if __name__ == "__main__":
    asyncio.run(main())
