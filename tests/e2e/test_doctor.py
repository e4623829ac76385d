"""`lmctl doctor` says what is in the way and what to do about it, before and while a box runs."""

import http.server
import socket
import threading
from email.utils import formatdate

import pytest

pytestmark = pytest.mark.e2e


@pytest.fixture
def hub():
    """A hub that only says what time it is: its `date` is what it answers with."""

    class Hub(http.server.BaseHTTPRequestHandler):
        date = ""

        def do_HEAD(self):
            self.send_response_only(200)
            self.send_header("Date", self.date or formatdate(usegmt=True))
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield Hub, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def looked(box, *words, code=0, **env):
    ran = box.lmctl("doctor", "--json", *words, **env)
    assert ran.code == code, ran.out + ran.err
    assert ran.json["healthy"] == (code == 0)
    return {each["check"]: each for each in ran.json["findings"]}


def test_a_fresh_machine_is_told_what_comes_next(box, hub):
    handler, url = hub
    found = looked(box, HF_ENDPOINT=url)
    assert {found[each]["state"] for each in ("python", "packages", "llama.cpp", "hub")} == {"ok"}
    assert (found["fleet"]["state"], found["daemon"]["state"]) == ("warn", "warn")
    assert found["clock"]["reason"].endswith("as the hub's")

    handler.date = formatdate(0, usegmt=True)
    box.echo()
    found = looked(box, str(box.fleet), HF_ENDPOINT=url)
    assert (found["clock"]["state"], "ahead of the hub's" in found["clock"]["reason"]) == (
        "warn",
        True,
    )
    assert found["fleet"]["reason"].endswith("is valid: 1 model(s), 1 instance(s)")
    assert (found["lock"]["state"], found["weights"]["state"]) == ("warn", "warn")
    assert found["server"]["reason"].endswith("is free for it")
    text = box.lmctl("doctor", "--offline", str(box.fleet)).out
    assert "warn  lock" in text
    assert "-> `lmctl lock DIR`, and commit it" in text


def test_what_is_in_the_way_fails_and_says_what_to_do(box):
    box.echo()
    box.write(
        "models/far/model.yaml",
        """\
        model: acme/far
        base:
          - {key: acme/far-gguf, sources: [{type: huggingface, user: acme, repo: far}]}
        """,
    )
    with socket.create_server(("127.0.0.1", box.port)):
        found = looked(box, str(box.fleet), code=1, HF_ENDPOINT="http://127.0.0.1:1")
    assert found["hub"]["state"] == "fail"  # acme/far can come from nowhere else
    assert found["server"]["state"] == "fail"
    assert f"port {box.port} is taken by" in found["server"]["reason"]

    box.write("broken.yaml", "kind: Instanse\n")
    found = looked(box, "--offline", str(box.fleet), code=1)
    assert found["fleet"]["state"] == "fail"
    assert "broken.yaml" in found["fleet"]["reason"]
    assert found["hub"]["reason"] == "not asked: offline"
    nowhere = looked(box, code=1, LMCTL_HOME=str(box.fleet / "server.yaml"))
    assert set(nowhere) == {"home"}


def test_a_box_that_serves_is_healthy(box):
    box.echo()
    box.apply()
    assert box.lmctl("lock", str(box.fleet)).code == 0
    found = looked(box, "--offline")
    assert {each["state"] for each in found.values()} == {"ok"}, found
    assert found["server"]["reason"] == f"answers at {box.url}"
    assert found["objects"]["reason"].endswith("none is stuck")

    box.home.root.chmod(0o755)
    assert looked(box, "--offline")["home"]["fix"] == f"chmod 700 {box.home.root}"
    (box.fleet / "scripts" / "chat.json").unlink()
    assert looked(box, "--offline")["weights"]["state"] == "ok"  # they are stored
