"""`lmctl chat`: one question, or a conversation in a terminal."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.terminal import CTRL_C, CTRL_D, terminal

pytestmark = pytest.mark.e2e


@pytest.fixture
def chats(box):
    box.echo("chat", script=json.dumps({"token_seconds": 0.01}))
    box.apply()
    return box


def env(box):
    return {"LMCTL_HOME": str(box.home.root), "NO_COLOR": "1"}


def test_one_question_is_answered_on_stdout_and_counted_on_stderr(chats):
    ran = chats.lmctl("chat", "-p", "hello there", "--stats")

    assert (ran.code, ran.out) == (0, "hello there\n")
    assert "written" in ran.err
    assert "tokens/s" in ran.err


def test_what_is_piped_in_is_asked_behind_the_prompt(chats):
    done = subprocess.run(
        [sys.executable, "-m", "lmctl", "chat", "chat", "-p", "first"],
        input="second",
        env={**os.environ, **env(chats)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, "first\n\nsecond\n")


def test_a_conversation_in_a_terminal(chats):
    with terminal("chat", env=env(chats)) as shown:
        shown.until("chat at http://127.0.0.1")
        shown.until("> ")
        shown.type("/help\r")
        shown.until("Ctrl-C stops the answer")
        shown.type("/stats\r")
        shown.type("one two\r")
        shown.until("one two")  # as typed
        shown.until("one two")  # as answered
        shown.until("tokens/s")
        shown.type("/what\r")
        shown.until("no such command: /what")
        shown.type("/preset terse\r")
        shown.type("three\r")
        shown.until("no preset named")
        shown.type("/preset\r")
        shown.type("/model\r")
        shown.until("acme/chat  loaded as chat")
        shown.until("> ")
        shown.type(CTRL_D)
        assert shown.ended() == 0


def test_ctrl_c_stops_the_answer_and_not_the_conversation(box):
    box.echo("chat", script=json.dumps({"reply": "word " * 100_000, "token_seconds": 0.01}))
    box.apply()

    with terminal("chat", "chat", env=env(box)) as shown:
        shown.until("> ")
        shown.type("go on\r")
        shown.until("word word word")
        shown.type(CTRL_C)
        shown.until("stopped; this turn is forgotten")
        box.until(lambda s: s.ready and all(not each.facts.get("running") for each in s.objects))
        shown.type("/exit\r")
        assert shown.ended() == 0


def test_what_cannot_be_answered_says_why(chats):
    assert chats.lmctl("chat", "nobody", "-p", "hello").code == 2
    assert "nothing is asked" in chats.lmctl("chat", "chat").err
    away = chats.lmctl("chat", "-p", "x", "--host", "127.0.0.1:1")
    assert away.code == 2
    assert "127.0.0.1:1 does not answer" in away.err
