"""docs/tasks/edit-by-command.md, typed as it stands there: every command gives what the page shows."""

import re
import shutil
from pathlib import Path

from typer.testing import CliRunner

from lmctl.cli.main import app

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "tasks" / "edit-by-command.md"


def sessions() -> list[tuple[list[str], str]]:
    """Return every command of the page with the words shown below it."""
    found = []
    for block in re.findall(r"```console\n(.*?)```", PAGE.read_text(), re.DOTALL):
        for each in block.split("$ lmctl ")[1:]:
            command, _, shown = each.partition("\n")
            found.append((command.split(), shown))
    return found


def test_every_command_of_the_page_gives_what_it_shows(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("LMCTL_HOME", str(tmp_path / "home"))
    fleet = tmp_path / "fleet"
    shutil.copytree(ROOT / "examples" / "quickstart", fleet)

    ran = 0
    for command, shown in sessions():
        words = [each.replace("~/fleet", str(fleet)) for each in command]
        result = CliRunner().invoke(app, words)
        said = result.stdout or "".join(
            line for line in result.stderr.splitlines(keepends=True) if "wrote" not in line
        )
        assert said.replace(str(fleet), "~/fleet") == shown, command
        ran += 1
    assert ran == 6
