"""The gateway moves to another port, and nobody who is being answered notices."""

import contextlib
import socket

import httpx2
import psutil
import pytest

from tests.support.asking import ask, streaming, text_of
from tests.support.box import free_port

pytestmark = pytest.mark.e2e

WORDS = [str(number) for number in range(30)]


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
