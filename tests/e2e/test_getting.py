"""`lmctl get` brings models of a hub, and still lists objects."""

import pytest

from tests.support.localhub import LocalHub
from tests.support.terminal import terminal
from tests.support.weights_home import content

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024


@pytest.fixture
def hub(box):
    with LocalHub.running() as server:
        files = {"tiny-Q4_K_M.gguf": content(3 * MIB), "tiny-Q8_0.gguf": content(5 * MIB, seed=2)}
        server.repo("acme/tiny-GGUF").commit(files)
        server.repo("acme/closed").commit({"closed-Q4_0.gguf": content(MIB)})
        server.repo("acme/closed").gated = True
        box.env |= {"HF_ENDPOINT": server.url, "HF_TOKEN": "", "HF_HOME": str(box.root / "hf")}
        yield server


def test_models_of_a_hub_are_brought_and_objects_listed_by_one_command(box, hub):
    box.echo()
    box.apply()
    offered = box.lmctl("get", "acme/tiny-GGUF", "--dry-run", "--json")
    assert [each["quantization"] for each in offered.json["choices"]] == ["Q4_K_M", "Q8_0"]
    ran = box.lmctl("get", "acme/tiny-GGUF", "-y", "--json")
    assert (ran.code, ran.json["status"]) == (0, "completed"), ran.err
    assert "taking tiny-Q4_K_M.gguf, 3.0 MiB" in ran.err
    again = box.lmctl("get", "acme/tiny-GGUF")  # nobody to ask: as with -y
    assert (again.code, "is here already" in again.err) == (0, True)

    with terminal("get", "acme/tiny-GGUF", env=env(box)) as shown:
        shown.until("tiny-Q8_0.gguf")
        shown.until("download [1]: ")
        shown.type("2\r")
        shown.until("acme/tiny-GGUF@Q8_0 is here")
        assert shown.ended() == 0
    with terminal("get", "tiny", env=env(box)) as shown:
        shown.until("1  acme/tiny-GGUF")
        shown.type("1\r")
        shown.until("download [1]: ")
        shown.type("1\r")
        shown.until("is here already")
        assert shown.ended() == 0
    listed = {each["modelKey"] for each in box.lmctl("ls", "--json").json}
    assert {"acme/tiny-GGUF", "acme/tiny-GGUF@Q8_0"} <= listed

    (chat,) = box.lmctl("get", "instances", "--json").json["objects"]
    assert chat["key"] == "instance/chat"
    assert box.lmctl("get", "instance/acme").code == 2
    assert "more than one `@`" in box.lmctl("get", "acme/tiny@a@b").err
    assert "no model is called `tiny`" in box.lmctl("get", "tiny").err
    assert box.lmctl("get", "acme/nothing").code == 2
    closed = box.lmctl("get", "acme/closed", "-y")
    assert (closed.code in (1, 2), "gated" in closed.err) == (True, True)


def test_another_box_downloads_what_it_is_told_to(box, hub):
    box.echo()
    box.apply()
    here = f"127.0.0.1:{box.port}"  # as if it were another box
    ran = box.lmctl("get", "acme/tiny-GGUF@Q8_0", "--host", here, "--json")
    assert (ran.code, ran.json["status"]) == (0, "completed"), ran.err
    assert ran.json["downloaded_bytes"] == 5 * MIB
    again = box.lmctl("get", "acme/tiny-GGUF@Q8_0", "--host", here, "--json")
    assert (again.code, again.json["status"]) == (0, "already_downloaded")
    assert box.lmctl("get", "acme/closed", "--host", here).code in (1, 2)
    assert box.lmctl("get", "instances", "--host", here).code == 2


def env(box):
    return {**box.env, "LMCTL_HOME": str(box.home.root), "NO_COLOR": "1"}
