"""`diff GEN GEN` and `diff --against`: manifests compared with manifests, whatever the box is like."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from pathlib import Path

from lmctl.adapters.git import files_at
from lmctl.adapters.home import Home
from lmctl.base.errors import Refused
from lmctl.cli.history import known_history
from lmctl.cli.printer import PlanOutput, Printer, as_yaml
from lmctl.cli.render_github import differences
from lmctl.cli.render_plan import change_line, near
from lmctl.daemon.wiring import Eyes
from lmctl.manifests import bundle as bundles
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.report import printable
from lmctl.planning.comparing import ManifestDiff, ObjectDiff, compare, written
from lmctl.planning.locking import Wish, wishes
from lmctl.planning.step_view import ChangeView

_GLYPHS = {"add": "+", "remove": "-", "change": "~"}


class DiffStyle(StrEnum):
    """How two readings are shown: by field, or as a unified diff of what the files say."""

    FIELDS = "fields"
    YAML = "yaml"


@dataclass(frozen=True, slots=True)
class Side:
    """A reading and what people call it."""

    bundle: Bundle
    name: str


@dataclass(frozen=True, slots=True)
class Shown:
    """Where and how a comparison is shown."""

    printer: Printer
    output: PlanOutput
    style: DiffStyle

    def sides(self, old: Side, new: Side) -> bool:
        """Tell what two readings differ in; returns whether they say the same."""
        found = compare(old.bundle, new.bundle, names=(old.name, new.name))
        text = self.style is DiffStyle.YAML and self.output is PlanOutput.TEXT
        if not text or found.same:
            return self.tell(found)
        self.printer.data(None, unified(old.bundle, new.bundle, found))
        return False

    def tell(self, found: ManifestDiff) -> bool:
        """Tell a comparison; returns whether there is no difference."""
        base = str(Path.cwd())
        if self.output is PlanOutput.GITHUB:
            self.printer.data(None, "\n".join(differences(found, base=base)))
        else:
            self.printer.data(found, render(found, base=base))
        return found.same


def generations(numbers: Sequence[str]) -> tuple[int, int] | None:
    """Return two generations to compare, or None when these words are something else."""
    if len(numbers) == 2 and all(each.isdigit() for each in numbers):
        return int(numbers[0]), int(numbers[1])
    return None


def before(home: Home, roots: Sequence[Path], revision: str) -> Side:
    """Return what was declared in a generation, by its number, or in these folders at a revision of
    the git work tree they are in.

    Raises NotFound when there is no such thing.
    """
    if revision.isdigit():
        return of_generation(home, int(revision))
    files: dict[str, bytes] = {}
    for each in roots:
        files |= files_at(each, revision)
    return Side(_bundle(files, revision), revision)


def of_generation(home: Home, number: int) -> Side:
    """Return what a generation declared. Raises NotFound when its files are not kept."""
    with known_history(home) as (known, _):
        files = known.files_of(known.get(number))
    name = f"generation {number}"
    return Side(_bundle(files, name), name)


def against_lock(see: Eyes, bundle: Bundle, roots: Sequence[Path]) -> ManifestDiff:
    """Return the models whose sources say something that lmctl.lock does not."""
    host = see.host()
    found = wishes(bundle, [str(each) for each in roots], user=host.user, recorded=host.recorded)
    missing = [each for each in found if each.locked is None]
    objects = tuple(
        _unlocked(model, list(some), bundle)
        for model, some in groupby(missing, key=lambda each: each.model)
    )
    return ManifestDiff("lmctl.lock", "the manifests", not objects, objects)


def render(found: ManifestDiff, *, base: str) -> str:
    """Return what differs as text for people."""
    if found.same:
        return f"{found.old} and {found.new} say the same"
    lines = [f"from {found.old} to {found.new}"]
    for each in found.objects:
        lines.append(f"{_GLYPHS[each.op]} {each.key}  {each.op}   ({near(each.place, base)})")
        lines += [f"      {change_line(change, base)}" for change in each.changes]
    return "\n".join(map(printable, lines))


def unified(old: Bundle, new: Bundle, found: ManifestDiff) -> str:
    """Return the objects that differ as a unified diff of their YAML, defaults left out."""
    return "\n".join(printable(line) for each in found.objects for line in _unified(old, new, each))


def _unified(old: Bundle, new: Bundle, each: ObjectDiff) -> Iterator[str]:
    before, after = (_yaml(bundle, each.key).splitlines() for bundle in (old, new))
    names = (f"old/{each.key}", f"new/{each.key}")
    yield from difflib.unified_diff(before, after, *names, lineterm="")


def _yaml(bundle: Bundle, key: str) -> str:
    value = written(bundle, key)
    return as_yaml(value) if value else ""


def _bundle(files: Mapping[str, bytes], name: str) -> Bundle:
    reading = bundles.read(files)
    if reading.fatal:
        first = next(each for each in reading.diagnostics if each.fatal)
        raise Refused(f"the manifests of {name} are broken: {first.place}: {first.message}")
    return reading.bundle


def _unlocked(model: str, missing: Sequence[Wish], bundle: Bundle) -> ObjectDiff:
    place = bundle.place("Model", model, "base").at
    key = f"model/{model}"
    changes = tuple(
        ChangeView("base.sources", "not locked", each.words, "replace", place, key)
        for each in missing
    )
    return ObjectDiff(key, "change", place, changes)
