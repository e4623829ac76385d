"""docs/metrics.md names every metric there is, with its type, labels and meaning, and no other."""

import re
from pathlib import Path

from lmctl.adapters.metrics import catalogue

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text()
ALL = (*catalogue.GATEWAY, *catalogue.RUNNERS, *catalogue.CONTROL)


def test_every_metric_has_its_row_in_order():
    rows = [
        f"| `{each.name}` | {each.kind} | {', '.join(f'`{name}`' for name in each.labels)} |"
        f" {each.help} |"
        for each in ALL
    ]
    assert [line for line in PAGE.splitlines() if line.startswith("| `lmctl_") and
            line.count("|") == 5] == rows  # fmt: skip


def test_no_metric_is_named_that_is_not_there():
    known = {each.name for each in ALL}
    named = set(re.findall(r"\blmctl_[a-z_]+", PAGE))
    assert named == known


def test_the_catalogue_lists_each_metric_once_and_keeps_prometheus_habits():
    names = [each.name for each in ALL]
    assert len(names) == len(set(names))
    for each in ALL:
        assert (each.kind == "counter") == each.name.endswith("_total"), each.name
        assert (each.kind == "histogram") == bool(each.buckets), each.name
        assert each.help.endswith("."), each.name
