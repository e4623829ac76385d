"""The compatibility page promises nothing without a test: every one it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
OF_NODE = re.compile(r'\]\(\.\./(tests/\S+\.mjs) "([^"]+)"\)')
NAMED = re.compile(r'\]\(\.\./(tests/\S+\.py) "(test_\w+)"\)')


def test_every_test_it_names_is_there():
    named = NAMED.findall(PAGE.read_text())
    missing = [
        f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text()
    ]
    of_node = OF_NODE.findall(PAGE.read_text())
    missing += [
        f"{file}: {test}"
        for file, test in of_node
        if f'test("{test}"' not in (ROOT / file).read_text()
    ]
    assert len(named) > 60
    assert len(of_node) > 15
    assert missing == []


def test_every_row_says_what_lmctl_does():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [row.split("|")[2].strip() for row in rows]
    assert all(cell.startswith("[") or cell in ("lmctl", "no", "Python `openai`") for cell in cells)
