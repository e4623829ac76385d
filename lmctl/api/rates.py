"""How fast an answer was written, and why it ended, in LM Studio's words."""

from lmctl.base.talk import Finished


def tokens_per_second(finished: Finished) -> float:
    """Return the rate of an answer's tokens; 0 where it was too short to tell."""
    seconds = finished.generation_time
    return finished.usage.completion_tokens / seconds if seconds > 0 else 0.0


def stop_reason(finished: Finished) -> str:
    """Return why an answer ended."""
    match finished.reason:
        case "tool_calls":
            return "toolCalls"
        case "length":
            full = finished.context_full
            return "contextLengthReached" if full else "maxPredictedTokensReached"
        case "stop":
            return "eosFound" if finished.stop_string is None else "stopStringFound"
