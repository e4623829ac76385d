"""Tool servers: what of mcp.json is to be hosted, what they are called, how they stand."""

import json

import pytest

from lmctl.base.tools import label_of
from lmctl.manifests.bundle import read
from lmctl.planning.desired import DesiredState
from lmctl.planning.judging import Judge
from lmctl.planning.observed import ObservedState
from lmctl.planning.plan import Plan
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.seen_tools import SeenToolServer, ToolPhase
from lmctl.planning.tool_changes import tool_changes
from lmctl.planning.tool_standings import tool_standings
from lmctl.planning.wanted_tools import WantedToolServer, with_secrets

ON = "auth: {required: true}\nmcp: {allowFile: true}\nsecrets: {k: {env: KEY}, other: {env: O}}\n"
FILES = {"files": {"command": "files", "args": ["--key", "${secret:k}"]}}
WANT = WantedToolServer("files", "files", "d1", "files")


def resolved(servers, server=ON):
    files = {
        "server.yaml": server.encode(),
        "mcp.json": json.dumps({"mcpServers": servers}).encode(),
    }
    return resolve(read(files).bundle, HostFacts("/run"))


def standing(*seen, want=WANT, suspended=None):
    desired = DesiredState(1, tool_servers=(want,), suspended=suspended or {})
    judge = Judge(desired, Plan(1), {}, {})
    [found] = tool_standings(desired, ObservedState(tool_servers=seen), judge)
    return found


def seen(phase=ToolPhase.READY, digest="d1", **more):
    return SeenToolServer("files", digest, phase, **more)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("oracle_Stream", "oracle-stream"),
        ("myServer", "my-server"),
        ("a b.c", "a-b-c"),
        ("x1", "x1"),
    ],
)
def test_a_server_is_called_by_its_key_in_kebab_case(name, label):
    assert label_of(name) == label


def test_servers_are_hosted_where_requests_may_use_them():
    [want] = resolved(FILES).desired.tool_servers
    assert (want.name, want.command, want.args) == ("files", "files", ("--key", "${secret:k}"))
    assert list(want.secrets) == ["k"]
    assert with_secrets(want.args[1], {"k": "v"}) == "v"
    off = resolved(FILES, "secrets: {k: {env: KEY}}\n").desired
    assert (off.tool_servers, off.tool_servers_off) == ((), ("files",))


def test_another_place_of_a_secret_is_another_server():
    one, two = (resolved(FILES, ON.replace("KEY", key)).desired.tool_servers[0] for key in "AB")
    assert one.digest != two.digest


def test_two_servers_clients_could_not_tell_apart_are_an_error():
    found = resolved({"a_b": {"command": "x"}, "aB": {"command": "x"}, "__": {"url": "http://x"}})
    assert [each.message for each in found.diagnostics] == [
        "tool server `__` has no name to call it",
        "tool server `a_b` would be `mcp/a-b`, as `aB` is",
    ]
    assert found.fatal


@pytest.mark.parametrize(
    ("found", "state", "message"),
    [
        ((), "Reconciling", "to be started by the daemon"),
        ((seen(digest="d0"),), "Reconciling", "declared otherwise: to be replaced"),
        ((seen(ToolPhase.STARTING),), "Reconciling", "connecting"),
        ((seen(ToolPhase.STARTING, reason="it died"),), "Reconciling", "connecting again: it died"),
        ((seen(ToolPhase.FAILING, reason="no program"),), "Retrying", "no program"),
        ((seen(ToolPhase.STUCK, reason="log in"),), "Stalled", "log in"),
        (
            (seen(tools=("a", "b"), definitions=400),),
            "Ready",
            "2 tools, about 100 tokens of every prompt that offers them",
        ),
        (
            (seen(tools=("a",), definitions=40_000),),
            "Ready",
            "1 tools, about 10000 tokens of every prompt that offers them; that is much: let requests name the few they need in `allowed_tools`",
        ),
    ],
)
def test_how_a_server_stands(found, state, message):
    told = standing(*found)
    assert (told.key, told.state.value, told.message) == ("mcp/files", state, message)


def test_what_a_change_starts_and_ends_is_told():
    before = resolved({"a": {"command": "x"}, "b": {"command": "y"}, "c": {"command": "z"}}).desired
    servers = {
        "a": {"command": "x"},
        "b": {"command": "y", "args": ["--all"]},
        "d": {"url": "https://example.com/mcp?key=${secret:k}"},
    }
    after = resolved(servers).desired
    assert list(tool_changes(before, after)) == [
        "~ rehost mcp/b: starts `y --all`",
        "- end    mcp/c",
        "+ host   mcp/d: connects to https://example.com/mcp",
    ]
    assert len(list(tool_changes(None, before))) == 3
    assert list(tool_changes(after, after)) == []


def test_a_suspended_server_does_not_look_ready():
    told = standing(seen(), suspended={"mcp/files": "by me"})
    assert (told.state.value, told.message) == ("Suspended", "by me")
