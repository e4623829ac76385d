"""Outputs that docs show are those the program prints: `<!-- golden: plans/drain.txt -->` names one."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent
SHOWN = re.compile(r"<!-- golden: (\S+) -->\n```\w*\n(.*?)```", re.DOTALL)
PAGES = [each for each in sorted((ROOT / "docs").rglob("*.md")) if SHOWN.search(each.read_text())]


@pytest.mark.parametrize("page", PAGES, ids=lambda each: each.name)
def test_docs_show_what_is_printed(page):
    text = page.read_text()
    fresh = SHOWN.sub(lambda found: _block(found[1]), text)
    if os.environ.get("LMCTL_GOLDEN") == "write":
        page.write_text(fresh)
    assert text == fresh


def _block(name: str) -> str:
    return f"<!-- golden: {name} -->\n```\n{(GOLDEN / name).read_text()}```"
