"""Every command the program and its documentation name is one the program has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

from lmctl.cli.main import app

ROOT = Path(__file__).parents[3]
MENTION = re.compile(r"`lmctl ([^`]+)`")
SOURCES = sorted((ROOT / "lmctl").rglob("*.py"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TREE = typer.main.get_command(app)


def options_of(words: list[str]) -> set[str] | None:
    """Return the options of the command these words begin with, or None where there is none."""
    command, left = TREE, list(words)
    while hasattr(command, "commands"):
        if not left or left[0].startswith("-"):
            break
        if left[0] not in command.commands:
            return None
        command = command.commands[left.pop(0)]
    return {"-h", "--help"} | {
        name for each in command.params for name in (*each.opts, *each.secondary_opts)
    }


def texts(path: Path) -> Iterator[str]:
    """Yield a page, or every literal of a module, with its pieces put together."""
    if path.suffix == ".md":
        yield re.sub(r"\\?\|", " ", path.read_text())
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            pieces = (each.value if isinstance(each, ast.Constant) else "X" for each in node.values)
            yield "".join(map(str, pieces))


@pytest.mark.parametrize("path", [*SOURCES, *PAGES], ids=lambda each: str(each.relative_to(ROOT)))
def test_mentioned_commands_exist(path):
    for mention in (found for text in texts(path) for found in MENTION.findall(text)):
        words = mention.replace("[", " ").replace("]", " ").split()
        options = options_of(words)
        assert options is not None, f"no command: lmctl {mention}"
        used = {each.partition("=")[0] for each in words if each.startswith("-")}
        assert used <= options, f"no such option: lmctl {mention}"


def test_a_command_that_is_not_there_is_noticed():
    assert options_of(["serve"]) is None
    assert options_of(["daemon", "sideways"]) is None
    assert "--keep" in (options_of(["daemon", "down"]) or ())
