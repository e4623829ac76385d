from collections.abc import Iterator

import pytest

from tests.support.box import Box, box_in


@pytest.fixture
def box(tmp_path) -> Iterator[Box]:
    with box_in(tmp_path) as made:
        yield made
        made.lmctl("daemon", "down")
        assert made.left_over() == [], "something outlived `lmctl daemon down`"
