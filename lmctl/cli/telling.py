"""Telling a plan and the problems of manifests: to a person, a program, or a GitHub workflow."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from lmctl.cli.printer import PlanOutput, Printer
from lmctl.cli.render_github import annotations, markdown, problem_annotations
from lmctl.cli.render_plan import coloured, render_plan
from lmctl.manifests.report import render as render_problems
from lmctl.planning.plan_view import PlanView
from lmctl.planning.report import ProblemView, problem_of
from lmctl.reconciler.reading import ReadResult


class Teller:
    """A printer that also speaks as a GitHub workflow understands."""

    def __init__(self, output: PlanOutput, *, quiet: bool = False) -> None:
        self.printer = Printer(output.plain, quiet=quiet)
        self._github = output is PlanOutput.GITHUB

    def problems(self, result: ReadResult) -> tuple[ProblemView, ...]:
        """Tell what is wrong with manifests; a machine gets it with the data, from what this returns."""
        found = tuple(problem_of(each) for each in result.problems)
        if self._github:
            _write_lines(problem_annotations(found, base=_workspace()))
        elif result.problems and not self.printer.machine:
            text = render_problems(result.problems, result.files)
            self.printer.problem(text.rstrip("\n"))
        return found

    def invalid(self, problems: Sequence[ProblemView]) -> None:
        """Say to a machine that there is no plan, because the manifests are broken."""
        if self.printer.machine:
            self.printer.data({"valid": False, "problems": problems}, "")

    def plan(self, view: PlanView) -> None:
        """Tell a plan; places are told from the folder the reader is in."""
        if self._github:
            _write_lines(annotations(view, base=_workspace()))
            _summarise(markdown(view))
        else:
            self.printer.styled(view, render_plan(view, base=str(Path.cwd())), coloured)


def _workspace() -> str:
    """Return the folder that GitHub counts paths from."""
    return os.environ.get("GITHUB_WORKSPACE") or str(Path.cwd())


def _summarise(text: str) -> None:
    """Add to the summary of the running job; elsewhere to stdout."""
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        _write_lines([text.rstrip("\n")])
        return
    with Path(path).open("a", encoding="utf-8") as summary:
        summary.write(text)


def _write_lines(lines: Sequence[str]) -> None:
    sys.stdout.write("".join(f"{each}\n" for each in lines))
    sys.stdout.flush()
