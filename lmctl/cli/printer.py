"""Where words go: data to stdout, talk to stderr; one value, several views."""

import io
import sys
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import msgspec
from rich.console import Console
from rich.text import Text
from ruamel.yaml import YAML


class Output(StrEnum):
    """How data is shown: for people, or the same value as JSON or YAML."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


class PlanOutput(StrEnum):
    """How a plan is shown: as other data, or as annotations and a summary of a GitHub workflow."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"
    GITHUB = "github"

    @property
    def plain(self) -> Output:
        """Return how other data is shown then."""
        return Output.TEXT if self is PlanOutput.GITHUB else Output(self.value)


class Printer:
    """`-q` silences notes, never problems. Colour follows the terminal and NO_COLOR."""

    def __init__(self, output: Output = Output.TEXT, *, quiet: bool = False) -> None:
        self.output = output
        self.quiet = quiet
        self.err = Console(stderr=True, highlight=False, soft_wrap=True)

    @property
    def machine(self) -> bool:
        return self.output is not Output.TEXT

    def data(self, value: Any, text: str) -> None:
        """Print a value: `text` for people, or the value itself in the view asked for."""
        match self.output:
            case Output.TEXT:
                sys.stdout.write(text if text.endswith("\n") or not text else text + "\n")
            case Output.JSON:
                plain = msgspec.json.encode(value)
                sys.stdout.write(msgspec.json.format(plain, indent=2).decode() + "\n")
            case Output.YAML:
                sys.stdout.write(as_yaml(msgspec.to_builtins(value)))
        sys.stdout.flush()

    def styled(self, value: Any, text: str, style: Callable[[str], Text]) -> None:
        """Print a value as `data` does; on a terminal the text is coloured by `style`."""
        out = Console(highlight=False, soft_wrap=True)
        if self.output is not Output.TEXT or not out.is_terminal or out.no_color:
            self.data(value, text)
            return
        out.print(style(text), end="")

    def item(self, value: Any, text: str) -> None:
        """Print one value of a stream: a line, compact JSON on a line, or a YAML document."""
        match self.output:
            case Output.JSON:
                sys.stdout.write(msgspec.json.encode(value).decode() + "\n")
                sys.stdout.flush()
            case Output.YAML:
                sys.stdout.write("---\n")
                self.data(value, text)
            case Output.TEXT:
                self.data(value, text)

    def note(self, text: str) -> None:
        """Say something nice to know."""
        if not self.quiet:
            self.err.print(text, markup=False)

    def problem(self, text: str) -> None:
        """Say something that must be known."""
        self.err.print(text, markup=False)

    def error(self, message: str, hint: str | None = None) -> None:
        """Say what went wrong and what to do about it."""
        self.problem(f"error: {message}")
        if hint:
            self.problem(f"hint: {hint}")


def as_yaml(value: Any) -> str:
    """Return plain values as YAML."""
    yaml = YAML()
    yaml.default_flow_style = False
    yaml.representer.add_representer(
        type(None), lambda known, _: known.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    sink = io.StringIO()
    yaml.dump(value, sink)
    return sink.getvalue()
