"""A fleet with a lock on real processes: locking changes nothing, other bytes are never loaded, and
bytes that rot on the disk are found, fetched again and taken out of the process that holds them.
"""

import shutil

import pytest

from tests.functional.weights.test_store import flip_a_byte
from tests.support.box import Box, box_in
from tests.support.weights_home import blobs

pytestmark = pytest.mark.e2e

HELLO = '{"reply": "hello"}'


@pytest.fixture
def box(tmp_path):
    with box_in(tmp_path) as box:
        yield box


def blob_of(box: Box):
    [blob] = (box.home.root / "blobs" / "sha256").glob("*/*")
    return blob


def events(box: Box) -> list[str]:
    return [f"{each.subject} {each.reason}" for each in box.client.events(0)]


def test_a_lock_changes_nothing_until_it_says_other_bytes(box):
    box.echo("chat", script=HELLO)
    box.apply()
    pid = box.pid("instance/chat")
    assert box.lmctl("diff", "--frozen", str(box.fleet)).code == 3

    assert box.lmctl("lock", str(box.fleet)).code == 0
    box.until_ready(2)
    assert box.pid("instance/chat") == pid
    frozen = box.lmctl("apply", "--yes", "--frozen", str(box.fleet))
    assert (frozen.code, frozen.out) == (0, "In sync - nothing to do\n")

    box.write("scripts/chat.json", '{"reply": "goodbye"}')
    assert box.lmctl("diff", str(box.fleet)).code == 0  # the file is not what is locked
    assert box.lmctl("lock", "--update", str(box.fleet)).code == 0
    box.until_ready(3)
    assert box.pid("instance/chat") != pid
    again = box.pid("instance/chat")
    assert box.lmctl("rollback", "2", "--yes").code == 0
    box.until_ready(4)
    assert box.pid("instance/chat") != again
    assert "model/acme/chat Failed" not in events(box)  # the old bytes were still here


def test_bytes_that_are_not_the_locked_ones_are_never_loaded(box):
    box.echo("chat", script=HELLO)
    assert box.lmctl("lock", str(box.fleet)).code == 0
    box.write("scripts/chat.json", '{"reply": "something else"}')

    ran = box.lmctl("apply", "--yes", "--frozen", "--timeout", "60s", str(box.fleet))

    assert ran.code == 1, ran.err
    assert "pinned is" in ran.err
    assert not list(box.home.runners.glob("*"))
    assert blobs(box.home.root) == set()
    box.write("scripts/chat.json", HELLO)
    assert box.lmctl("apply", "--yes", str(box.fleet)).code == 0


def test_rotten_bytes_are_found_fetched_again_and_taken_out_of_the_runner(box):
    box.write(
        "server.yaml",
        f"listen: {{host: 127.0.0.1, port: {box.port}}}\nreconcile: {{scrub: 1s}}\n",
    )
    box.echo("chat", script=HELLO.ljust(2000))
    box.apply()
    box.lmctl("lock", str(box.fleet))
    box.until_ready(2)
    pid = box.pid("instance/chat")

    flip_a_byte(blob_of(box), keep_time=True)
    box.until(lambda _: "model/acme/chat Damaged" in events(box))
    box.until(lambda status: status.ready and box.pid("instance/chat") != pid)

    unloads = [each.message for each in box.client.events(0) if "unload" in each.message]
    assert "its weights were found damaged on disk after it loaded them" in unloads[0]
    assert len(list((box.home.root / "quarantine").glob("*.json"))) == 1


def test_what_is_damaged_while_nothing_runs_is_found_by_verify_and_fetched_again(box):
    box.echo("chat", script=HELLO.ljust(2000))
    box.apply()
    box.lmctl("daemon", "down")
    flip_a_byte(blob_of(box), keep_time=True)

    ran = box.lmctl("verify")

    assert ran.code == 1
    assert ran.out.startswith("damaged  acme/chat: chat.json")
    box.apply()
    assert box.lmctl("verify").code == 0
    shutil.rmtree(box.fleet / "models")
    shutil.rmtree(box.fleet / "instances")
    assert box.lmctl("gc", "--grace", "0s").out == "freed 0 B\n"  # generation 1 may come back
