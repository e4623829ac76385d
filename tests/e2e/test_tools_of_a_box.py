"""Tool servers of a whole box: hosted by the daemon, called by the gateway, edited and killed meanwhile."""

import json
import sys
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.support import tool_server
from tests.support.box import PATIENCE, box_in

pytestmark = pytest.mark.e2e

SERVER = str(Path(tool_server.__file__))
SECRET = "hunter2-and-more"
CALL = '<tool_call>{"name": "who", "arguments": {}}</tool_call>'


def declare(box, **env):
    """Write mcp.json; say whether it is another one."""
    server = {"command": sys.executable, "args": [SERVER], "env": env}
    text = json.dumps({"mcpServers": {"tinyServer": server}})
    path = box.fleet / "mcp.json"
    changes = not path.exists() or path.read_text() != text
    box.write("mcp.json", text)
    return changes


@pytest.fixture(scope="module")
def box(tmp_path_factory):
    with box_in(tmp_path_factory.mktemp("tools")) as made:
        secret = made.root / "secret"
        secret.write_text(SECRET)
        secret.chmod(0o600)
        made.write(
            "server.yaml",
            f"""\
            listen: {{host: 127.0.0.1, port: {made.port}}}
            auth: {{required: true}}
            mcp: {{allowFile: true, rounds: 1}}
            secrets: {{who: {{file: {secret}}}}}
            """,
        )
        scopes = ("--scope", "inference", "--scope", "mcp:local")
        made.token = made.lmctl("token", "create", "me", *scopes, str(made.fleet)).out.strip()
        made.echo(script=json.dumps({"reply": CALL}))
        declare(made, WHO="${secret:who}")
        made.apply()
        yield made
        made.lmctl("daemon", "down")
        assert not servers(made.left_over()), "servers end with the daemon"


def ask(box):
    body = {"model": "chat", "input": "who", "integrations": ["mcp/tiny-server"]}
    headers = {"authorization": f"Bearer {box.token}"}
    answer = httpx2.post(f"{box.url}/api/v1/chat", json=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 200, answer.text + box.logs()
    return answer.json()["output"]


def facts(status):
    [found] = [each for each in status.objects if each.key == "mcp/tinyServer"]
    return found.facts


def box_facts(box):
    return facts(box.until(ready))


def ready(status):
    [found] = [each for each in status.objects if each.key == "mcp/tinyServer"]
    return found.ready


def servers(processes):
    return [each for each in processes if SERVER in each.cmdline()]


def declared(box, who):
    """Have the server started with this, whatever it had before."""
    generation = box.status().generation
    if declare(box, WHO=who):
        box.until(lambda status: ready(status) and status.generation > generation)


def test_a_tool_is_called_with_its_secret_which_is_written_nowhere(box):
    declared(box, "${secret:who}")
    call, *_ = ask(box)
    assert (call["type"], call["tool"]) == ("tool_call", "who")
    assert SECRET in call["output"]
    assert SECRET not in box.logs()
    assert SECRET not in box.lmctl("get", "mcp", "-o", "json").out
    assert "add, die" in box.lmctl("get", "mcp").out


def test_an_edit_is_used_by_the_next_request_and_leaves_the_gateway_alone(box):
    before = box.pid("server/gateway")
    declared(box, "somebody else")
    assert "somebody else" in ask(box)[0]["output"]
    assert box.pid("server/gateway") == before


def test_a_killed_server_comes_back(box):
    failures = box_facts(box)["failures"]
    [server] = servers(psutil.Process(box.daemon_pid()).children(recursive=True))
    box.kill(server.pid)
    box.until(lambda status: ready(status) and facts(status)["failures"] == failures + 1)
    assert ask(box)[0]["tool"] == "who"
    assert "the server ended the connection" in box.lmctl("mcp", "logs", "tinyServer").out
    assert box.lmctl("mcp", "retry", "tinyServer").code == 0
