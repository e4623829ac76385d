"""The gateway moves to another port, and nobody who is being answered notices."""

import contextlib
import socket
import threading
import time

import httpx2
import psutil
import pytest

from lmctl.reconciler.strays import GRACE
from tests.support.asking import ask, streaming, text_of
from tests.support.box import free_port

pytestmark = pytest.mark.e2e

WORDS = [str(number) for number in range(30)]
LONG = [str(number) for number in range(60)]
"""What is still being said when the gateway has moved twice."""


def test_a_port_change_drops_no_request(box):
    box.echo("chat", script='{"token_seconds": 0.1}')
    box.apply()
    old_url, old = box.url, psutil.Process(box.pid("server/gateway"))
    with streaming(old_url, " ".join(WORDS)) as events:
        heard = [next(events)]
        box.port = free_port()
        box.write("server.yaml", f"listen: {{port: {box.port}}}\n")
        box.until(lambda s: s.ready and s.url == box.url and s.generation == 2)
        assert old.is_running()  # it still answers
        assert ask(box.url, "new").strip() == "new"
        heard += events

    assert text_of(heard).split() == WORDS
    with contextlib.suppress(psutil.NoSuchProcess):
        old.wait(60)
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{old_url}/livez")
    ended = [each for each in box.client.events(0) if "finishes what it answers" in each.message]
    assert len(ended) == 1


def test_a_gateway_that_finishes_what_it_answers_is_no_drift(box):
    box.echo("chat", script='{"token_seconds": 0.1}')
    box.apply()
    old_url, old = box.url, psutil.Process(box.pid("server/gateway"))
    with streaming(old_url, " ".join(["long"] * 5000)) as events:
        next(events)
        box.port = free_port()
        box.write("server.yaml", f"listen: {{port: {box.port}}}\n")
        box.until(lambda s: s.ready and s.url == box.url)
        while listens(old):
            time.sleep(0.01)
        while time.time() < old.create_time() + GRACE:  # until it could be one that nobody knows
            time.sleep(0.1)
        diff = box.lmctl("diff", str(box.fleet))
        assert old.is_running()

    assert diff.code == 0, diff.out


def listens(process):
    return any(each.status == psutil.CONN_LISTEN for each in process.net_connections(kind="tcp"))


class Asker:
    """Asks again and again, on a connection of its own each time, until told to stop."""

    def __init__(self, url):
        self.url = url
        self.statuses, self.troubles = [], []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _ask(self):
        while not self._over.wait(0.01):
            try:
                self.statuses.append(httpx2.get(f"{self.url}/v1/models", timeout=60).status_code)
            except httpx2.HTTPError as error:
                self.troubles.append(repr(error))


@pytest.mark.parametrize(
    ("listen", "same"),
    [("host: 0.0.0.0", False), ("workers: 3", True)],
    ids=["another address", "more workers"],
)
def test_a_change_at_the_same_port_and_back_drops_no_request(box, listen, same):
    box.echo("chat", script='{"token_seconds": 0.15}')
    box.apply()
    first = box.pid("server/gateway")
    with Asker(box.url) as asker, streaming(box.url, " ".join(LONG)) as events:
        heard = [next(events)]
        for generation, line in ((2, f"{listen}, "), (3, "")):
            box.write("server.yaml", f"listen: {{{line}port: {box.port}}}\n")
            box.until(lambda s, n=generation: s.ready and s.generation == n)
            assert (box.pid("server/gateway") == first) is same
            first = box.pid("server/gateway")
            answered = len(asker.statuses)
            while len(asker.statuses) < answered + 3 and not asker.troubles:
                time.sleep(0.01)
        heard += events

    assert text_of(heard).split() == LONG
    assert asker.troubles == []
    assert set(asker.statuses) == {200}
    assert box.lmctl("diff", str(box.fleet)).code == 0


def test_a_port_that_is_taken_costs_nobody_the_old_one(box):
    box.echo("chat")
    box.apply()
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        box.write("server.yaml", f"listen: {{port: {holder.getsockname()[1]}}}\n")
        box.until(lambda s: any("is taken by" in each.message for each in s.objects))
        assert ask(box.url, "old").strip() == "old"
    box.until_ready(generation=2)
