"""Limits of control groups, read from trees of files as the kernel shows them."""

import textwrap
from pathlib import Path

import pytest

from lmctl.runner.cgroups import MemoryGroup, memory, processors

MIB = 1024 * 1024
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = """\
31 30 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
"""


@pytest.fixture
def machine(tmp_path):
    """Make a tree: `/proc/self/*` and the files of groups by their folder."""

    def make(mounts: str, cgroup: str, **groups: dict[str, str]) -> Path:
        own = tmp_path / "proc/self"
        own.mkdir(parents=True)
        (own / "mountinfo").write_text(
            "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" + textwrap.dedent(mounts)
        )
        (own / "cgroup").write_text(cgroup)
        for folder, files in groups.items():
            at = tmp_path / "sys/fs/cgroup" / folder
            at.mkdir(parents=True, exist_ok=True)
            for name, text in files.items():
                (at / name).write_text(f"{text}\n")
        return tmp_path

    return make


def stat(inactive: int, active: int, prefix: str = "") -> str:
    return f"anon 1\n{prefix}inactive_file {inactive}\n{prefix}active_file {active}\nslab 7"


def test_the_tightest_limit_on_the_way_up_counts(machine):
    root = machine(
        V2,
        "0::/box.slice/lmctl.service\n",
        **{
            "": {"memory.stat": stat(1, 1)},
            "box.slice": {
                "memory.max": str(900 * MIB),
                "memory.current": str(600 * MIB),
                "memory.stat": stat(100 * MIB, 50 * MIB),
            },
            "box.slice/lmctl.service": {"memory.max": "max", "memory.current": str(500 * MIB)},
        },
    )
    assert memory(root) == MemoryGroup(900 * MIB, 450 * MIB)


def test_the_group_that_runs_short_first_counts(machine):
    """A wide limit that neighbours have nearly used up is tighter than a narrow empty one."""
    root = machine(
        V2,
        "0::/a/b\n",
        **{
            "a": {"memory.max": str(1000 * MIB), "memory.current": str(900 * MIB)},
            "a/b": {"memory.max": str(500 * MIB), "memory.current": str(10 * MIB)},
        },
    )
    assert memory(root) == MemoryGroup(1000 * MIB, 900 * MIB)


def test_throttling_begins_at_high(machine):
    files = {"memory.max": str(800 * MIB), "memory.high": str(700 * MIB), "memory.current": "0"}
    assert memory(machine(V2, "0::/a\n", a=files)) == MemoryGroup(700 * MIB, 0)


def test_version_one_counts_with_groups_below_and_says_none_as_a_huge_number(machine):
    files = {
        "memory.limit_in_bytes": str(300 * MIB),
        "memory.usage_in_bytes": str(200 * MIB),
        "memory.stat": stat(1, 1) + "\n" + stat(20 * MIB, 30 * MIB, "total_"),
    }
    none = {"memory.limit_in_bytes": "9223372036854771712", "memory.usage_in_bytes": "5"}
    root = machine(V1, "4:memory:/a/b\n", **{"memory/a": files, "memory/a/b": none, "memory": none})
    assert memory(root) == MemoryGroup(300 * MIB, 150 * MIB)


def test_inside_a_container_the_group_itself_is_mounted(machine):
    mounts = "31 30 0:27 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    files = {"memory.limit_in_bytes": str(300 * MIB), "memory.usage_in_bytes": "0"}
    root = machine(mounts, "4:memory:/docker/abc\n", memory=files)
    assert memory(root) == MemoryGroup(300 * MIB, 0)


@pytest.mark.parametrize(
    ("mounts", "cgroup", "groups", "expected"),
    [
        pytest.param(V2, "0::/a\n", {"a": {"cpu.max": "150000 100000"}}, 1.5, id="v2"),
        pytest.param(V2, "0::/a\n", {"a": {"cpu.max": "max 100000"}}, None, id="v2 none"),
        pytest.param(
            V2,
            "0::/a/b\n",
            {"a": {"cpu.max": "50000 100000"}, "a/b": {"cpu.max": "200000 100000"}},
            0.5,
            id="v2 nested",
        ),
        pytest.param(
            V1,
            "3:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a": {"cpu.cfs_quota_us": "300000", "cpu.cfs_period_us": "100000"}},
            3.0,
            id="v1",
        ),
        pytest.param(
            V1,
            "3:cpu,cpuacct:/a\n",
            {"cpu,cpuacct/a": {"cpu.cfs_quota_us": "-1", "cpu.cfs_period_us": "100000"}},
            None,
            id="v1 none",
        ),
    ],
)
def test_quotas_of_processor_time(machine, mounts, cgroup, groups, expected):
    assert processors(machine(mounts, cgroup, **groups)) == expected


@pytest.mark.parametrize("cgroup", ["", "nonsense\n", "0::/gone\n", "4:memory:/elsewhere\n"])
def test_what_is_not_there_limits_nothing(machine, cgroup):
    root = machine(V2 + "nonsense\n1 2 3 - cgroup2 x y\n", cgroup)
    assert memory(root) is None
    assert processors(root) is None
