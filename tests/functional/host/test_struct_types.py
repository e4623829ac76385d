"""Threads that decode the same structs for the first time, at once."""

import subprocess
import sys

DECODE = """
import sys, threading
sys.setswitchinterval(1e-6)
from lmctl.base.struct_types import settle
from lmctl.runner.format_files import shipped
settle()
together = threading.Barrier(8)
def decode():
    together.wait()
    shipped.__wrapped__()
threads = [threading.Thread(target=decode) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
print("done")
"""
TIMES = 10
"""Without `settle` about every third process ends with a segmentation fault."""


def test_structs_that_are_settled_are_decoded_by_any_number_of_threads():
    for _ in range(TIMES):
        ran = subprocess.run(
            [sys.executable, "-c", DECODE], capture_output=True, text=True, timeout=60, check=False
        )
        assert (ran.returncode, ran.stdout) == (0, "done\n"), ran.stderr
