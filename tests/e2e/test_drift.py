"""What moved away without an edit is found, told, and put back as the policy says."""

import json
import os
import signal

import psutil
import pytest

from tests.support.asking import ask, streaming

pytestmark = pytest.mark.e2e

HANGS = json.dumps({"reply": "a b c d", "hang_after_tokens": 2})
QUICK = {"LMCTL_PERIOD_HEALTH": "600ms", "LMCTL_PERIOD_HANG": "1s"}


@pytest.fixture(autouse=True)
def quick(box):
    box.env |= QUICK


def test_a_runner_whose_engine_hangs_is_ended_and_started_again(box):
    box.echo(script=HANGS)
    box.apply()
    pid = box.pid("instance/chat")

    with streaming(box.url, "hello") as events:
        rest = list(events)

    assert "error" in rest[-1]
    status = box.until(lambda s: s.ready and box.pid("instance/chat") != pid)
    assert status.ready
    told = [each.message for each in box.client.events(0) if each.reason == "Started"]
    assert any("it hangs: no token for 1" in each and "with 1 running" in each for each in told)


def test_a_runner_that_is_stopped_as_a_whole_is_ended_and_started_again(box):
    box.echo()
    box.echo("other")
    box.apply()
    pid, other = box.pid("instance/chat"), box.pid("instance/other")

    os.kill(pid, signal.SIGSTOP)
    box.until(lambda s: s.ready and box.pid("instance/chat") != pid)

    assert not psutil.pid_exists(pid)
    assert box.pid("instance/other") == other
    assert ask(box.url, "hello").strip() == "hello"


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
def test_a_gateway_that_is_gone_or_hangs_is_started_again(box, sign):
    box.echo()
    box.apply()
    runner, gateway = box.pid("instance/chat"), box.pid("server/gateway")

    os.kill(gateway, sign)
    box.until(lambda s: s.ready and box.pid("server/gateway") not in (0, gateway))

    assert ask(box.url, "hello").strip() == "hello"
    assert box.pid("instance/chat") == runner
