"""`lmctl validate` on every broken file there is: clear words, exit code 2, never a traceback."""

import re
import shutil
from pathlib import Path

import pytest

BROKEN = Path(__file__).parents[1] / "golden" / "broken"

pytestmark = pytest.mark.e2e


def test_the_whole_corpus_is_diagnosed_at_once(box):
    shutil.copytree(BROKEN, box.fleet / "broken", ignore=shutil.ignore_patterns("*.expected"))
    ran = box.lmctl("validate", str(box.fleet))
    assert ran.code == 2
    assert "Traceback" not in ran.err
    places = re.findall(r"^ --> (\S+?):\d+:\d+$", ran.err, re.MULTILINE)
    assert len(set(places)) >= 60
    assert ran.err.count("hint: ") >= 60
