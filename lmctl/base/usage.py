"""What several answers to one request took together."""

from collections.abc import Mapping

from lmctl.base.talk import Drafted, Finished, Usage


def usage_of(ended: Mapping[int, Finished], *, choices: int = 1) -> Usage:
    """Return what several answers to one request took together, by their number. A prompt that got
    several `choices` is counted once, as OpenAI does.
    """
    counts = [each.usage for each in ended.values()]
    prompts = [each.usage for index, each in ended.items() if index % choices == 0]
    return Usage(
        prompt_tokens=sum(each.prompt_tokens for each in prompts),
        completion_tokens=sum(each.completion_tokens for each in counts),
        cached_tokens=sum(each.cached_tokens for each in prompts),
        reasoning_tokens=sum(each.reasoning_tokens for each in counts),
    )


def drafted_of(ended: Mapping[int, Finished]) -> Drafted | None:
    """Return what speculative decoding did for several answers together; None where it was off."""
    found = [each.drafted for each in ended.values() if each.drafted is not None]
    if not found:
        return None
    return Drafted(
        found[0].drafter,
        total=sum(each.total for each in found),
        accepted=sum(each.accepted for each in found),
        rejected=sum(each.rejected for each in found),
        ignored=sum(each.ignored for each in found),
    )
