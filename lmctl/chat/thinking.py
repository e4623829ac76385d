"""Whether and how long a model thinks: variables of its template, and what its prompt ends with."""

from typing import Any, Final

from lmctl.base.talk import Reasoning
from lmctl.chat.ability import Ability
from lmctl.chat.formats import Thought, Thoughts

_LEVELS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_USUAL: Final = frozenset({"low", "medium", "high"})
_DEFAULT: Final = Reasoning()


def thought_of(asked: Reasoning, able: Ability, thoughts: Thoughts) -> Thought:
    """Return how this answer's thoughts are framed: as the call says, as the model was trained, or
    in the commonest way.
    """
    if (asked.start, asked.end) != (_DEFAULT.start, _DEFAULT.end):
        return Thought("asked", asked.start, asked.end, f"{asked.start}\n\n{asked.end}\n\n")
    return able.thought or thoughts.families[-1]


def off(asked: Reasoning) -> bool:
    """Tell whether the call wants no thinking."""
    return asked.enabled is False or asked.effort == "none" or asked.budget == 0


def variables(
    asked: Reasoning, able: Ability, thoughts: Thoughts, *, template: str
) -> dict[str, Any]:
    """Return what the template is told about thinking; nothing where the call leaves it open."""
    told: dict[str, Any] = {}
    says = asked.enabled is not None or asked.effort is not None or asked.budget is not None
    wants = not off(asked) if says else None
    if wants is not None:
        told |= {each: wants for each in thoughts.switches if each in able.variables}
    if asked.effort and wants and thoughts.effort in able.variables:
        told[thoughts.effort] = level(asked.effort, template)
    if asked.budget is not None and thoughts.budget in able.variables:
        told[thoughts.budget] = asked.budget
    return told


def level(effort: str, template: str) -> str:
    """Return the effort the template knows: the one asked for, or the next below it, or its lowest."""
    known = [
        each
        for each in _LEVELS
        if each in _USUAL or f"'{each}'" in template or f'"{each}"' in template
    ]
    known = [each for each in known if each != "none"]
    if effort not in _LEVELS:
        return effort
    rank = _LEVELS.index(effort)
    below = [each for each in known if _LEVELS.index(each) <= rank]
    return below[-1] if below else known[0]


def closed(prompt: str, thought: Thought, able: Ability, thoughts: Thoughts) -> str:
    """Return the prompt so that the model does not think: with its thought closed, or already had."""
    end = prompt.rstrip()
    if end.endswith(thought.begin):
        return prompt + thought.empty[len(thought.begin) :]
    if able.thought is None or end.endswith(thought.end):
        return prompt
    if any(each in able.variables for each in thoughts.switches):
        return prompt  # its template was told
    return prompt + thought.empty
