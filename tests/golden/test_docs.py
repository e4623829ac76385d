"""Outputs that docs show are those the program prints, and files they show are those that are there:
`<!-- golden: plans/drain.txt -->` and `<!-- file: examples/x.yml -->` name them.
"""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent
SHOWN = re.compile(r"<!-- (golden|file): (\S+) -->\n```(\w*)\n(.*?)```", re.DOTALL)
PAGES = [each for each in sorted((ROOT / "docs").rglob("*.md")) if SHOWN.search(each.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda each: each.name)
def test_docs_show_what_is_printed(page):
    text = page.read_text()
    fresh = SHOWN.sub(lambda found: _block(*found.groups()), text)
    if os.environ.get("LMCTL_GOLDEN") == "write":
        page.write_text(fresh)
    assert text == fresh


def _block(kind: str, name: str, language: str, _shown: str) -> str:
    folder = GOLDEN if kind == "golden" else ROOT
    return f"<!-- {kind}: {name} -->\n```{language}\n{(folder / name).read_text()}```"
