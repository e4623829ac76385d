"""How fast an answer was written."""

from lmctl.base.talk import Finished


def tokens_per_second(finished: Finished) -> float:
    """Return the rate of an answer's tokens; 0 where it was too short to tell."""
    seconds = finished.generation_time
    return finished.usage.completion_tokens / seconds if seconds > 0 else 0.0
