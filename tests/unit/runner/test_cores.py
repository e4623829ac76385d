import subprocess
import sys

import pytest

from lmctl.runner.cores import Cores, available_cores

OTHER = """
import sys
from pathlib import Path
from lmctl.runner.cores import Cores
cores = Cores(Path(sys.argv[1]), 8, cores=int(sys.argv[2]))
for line in sys.stdin:
    print(cores.share() if line.strip() == "share" else cores.leave(), flush=True)
"""


class Other:
    """Another process that shares the cores; `say` returns its answer."""

    def __init__(self, folder, cores):
        self.process = subprocess.Popen(
            [sys.executable, "-c", OTHER, str(folder), str(cores)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def say(self, word):
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def other(tmp_path):
    found = Other(tmp_path, 3)
    yield found
    found.kill()


def test_an_engine_that_is_alone_uses_what_it_may(tmp_path):
    assert Cores(None, 2, cores=8).share() == 2
    assert Cores(tmp_path, 8, cores=4).share() == 4
    assert Cores(tmp_path, 3, cores=4).share() == 3


def test_engines_at_work_share_and_an_idle_one_takes_nothing(tmp_path, other):
    cores = Cores(tmp_path, 8, cores=3)
    assert cores.share() == 3
    assert other.say("share") == "1"
    assert cores.share() == 2  # the first place gets what is left over
    other.say("leave")
    assert cores.share() == 3
    assert other.say("share") == "1"
    cores.leave()
    assert other.say("share") == "3"
    cores.close()


def test_the_part_of_a_killed_process_is_free_at_once(tmp_path, other):
    other.say("share")
    cores = Cores(tmp_path, 8, cores=3)
    assert cores.share() == 1
    other.kill()
    assert cores.share() == 3


def test_there_is_a_thread_for_everybody(tmp_path, other):
    other.say("share")
    assert Cores(tmp_path, 8, cores=1).share() == 1


def test_a_folder_that_is_not_there_means_alone(tmp_path):
    assert Cores(tmp_path / "nowhere", 2, cores=8).share() == 2


def test_the_quota_of_the_control_group_counts(tmp_path):
    for path, text in {
        "proc/self/cgroup": "0::/\n",
        "proc/self/mountinfo": "1 2 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup rw\n",
        "sys/fs/cgroup/cpu.max": "100000 100000\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert available_cores(tmp_path) == 1
