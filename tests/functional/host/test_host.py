"""This machine as a profile."""

import os

import psutil

from lmctl.adapters.host import look
from lmctl.planning.host_profile import object_name
from lmctl.planning.host_profile_file import read


def test_this_machine_is_seen_as_the_system_says(tmp_path):
    found = look(tmp_path / "not" / "made", environment={})
    assert found.memory.total == psutil.virtual_memory().total
    assert 0 < found.memory.limit <= found.memory.total
    assert 0 <= found.memory.others <= found.memory.limit
    assert 0 < found.cores.usable <= found.cores.logical
    assert found.cores.physical <= found.cores.logical
    assert 0 < found.disk.free <= found.disk.total
    assert (found.gpus, found.labels) == ((), {})


def test_runners_are_no_others(tmp_path):
    ballast = bytearray(os.urandom(64 * 1024)) * 1024
    everything = look(tmp_path, environment={}).memory.others
    without_us = look(tmp_path, ours=[os.getpid(), 2**22 + 1], environment={}).memory.others
    assert everything - without_us > len(ballast) // 2


def test_a_limit_of_a_group_is_the_limit(tmp_path):
    own = tmp_path / "proc/self"
    own.mkdir(parents=True)
    (own / "mountinfo").write_text("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    (own / "cgroup").write_text("0::/box\n")
    (tmp_path / "proc/cpuinfo").write_text("processor: 0\nflags\t\t: fpu avx2 xyz\n")
    group = tmp_path / "sys/fs/cgroup/box"
    group.mkdir(parents=True)
    for name, text in {
        "memory.max": "268435456",
        "memory.current": "50000000",
        "cpu.max": "50000 100000",
    }.items():
        (group / name).write_text(text)
    found = look(tmp_path, environment={}, root=tmp_path)
    assert (found.memory.limit, found.memory.limited) == (268435456, True)
    assert found.memory.others >= 50000000
    assert found.cores.usable == 0.5
    assert found.cores.features == ("avx2",)


def test_labels_come_from_the_environment(tmp_path):
    said = {"LMCTL_LABELS": "zone=lab, power=mains,nonsense,=x"}
    assert look(tmp_path, environment=said).labels == {"zone": "lab", "power": "mains"}


def test_what_is_seen_here_can_be_read_there(tmp_path):
    from lmctl.cli.printer import as_yaml
    from lmctl.planning.host_profile_file import document

    here = look(tmp_path, environment={"LMCTL_LABELS": "zone=lab"})
    assert read("box.yaml", as_yaml(document(here)).encode()) == here


def test_a_name_is_made_fit():
    assert object_name("Ada's-MacBook.local") == "ada-s-macbook-local"
    assert object_name("...") == "box"
    assert len(object_name("x" * 99)) == 63
