"""The compatibility page promises nothing without a test: every one it names is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "compatibility.md"
NAMED = re.compile(r'\]\(\.\./(tests/\S+\.py) "(test_\w+)"\)')


def test_every_test_it_names_is_there():
    named = NAMED.findall(PAGE.read_text())
    missing = [
        f"{file}::{test}" for file, test in named if f"def {test}(" not in (ROOT / file).read_text()
    ]
    assert len(named) > 20
    assert missing == []


def test_every_row_says_what_lmctl_does():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [row.split("|")[2].strip() for row in rows]
    assert all(cell.startswith("[") or cell in ("lmctl", "no") for cell in cells)
