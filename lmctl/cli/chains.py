"""What an object waits for, and what that waits for: the chain down to what is really going on."""

from collections.abc import Iterator, Mapping

from lmctl.planning.report import BoxStatus, ObjectView
from lmctl.planning.step_view import StepView


def blocking_chain(status: BoxStatus, key: str) -> str:
    """Return `instance/chat <- model/x fetching 4.2 GiB of 6.9 GiB, 60 MiB/s (61 %)`: who waits for
    whom, and how the last one is.
    """
    told = {each.key: each for each in status.objects}
    links = [key, *_behind(told, key)]
    step: StepView | None = None
    for step in _down(status, links[-1]):
        if step.object != links[-1]:
            links.append(step.object)
    return (
        f"{' <- '.join(links)} {_how(step, told[links[-1]].message if links[-1] in told else '')}"
    )


def _behind(told: Mapping[str, ObjectView], key: str) -> list[str]:
    """Return the first instance that a Route waits for: it has no steps of its own."""
    targets = told[key].facts.get("targets") if key in told and key.startswith("route/") else None
    names = [each.split(maxsplit=1)[0] for each in targets] if isinstance(targets, list) else []
    found = (told.get(f"instance/{name}") for name in names)
    return [each.key for each in found if each is not None and not each.ready][:1]


def _down(status: BoxStatus, key: str) -> Iterator[StepView]:
    """Yield the step of the object that is most telling, then what it waits for, and so on."""
    steps = {each.key: each for each in status.steps}
    left = [each for each in status.steps if each.object == key]
    while left:
        step = max(left, key=lambda each: (each.running, bool(each.held), bool(each.after)))
        yield step
        if step.running or step.held:
            return
        left = [steps[each] for each in step.after if each in steps]


def _how(step: StepView | None, message: str) -> str:
    if step is None or not (step.running or step.held):
        return message or (step.because if step is not None else "")
    if step.held:
        return f"held: {step.held}"
    percent = f" ({step.done / step.total:.0%})" if step.total and "%" not in step.progress else ""
    return f"{step.progress}{percent}"
