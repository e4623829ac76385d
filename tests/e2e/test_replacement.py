"""A running instance is replaced, renamed, refused and taken back under load: nobody notices."""

import json

import httpx2
import pytest

from lmctl.planning.conditions import State
from tests.support.asking import ask, streaming, text_of
from tests.support.load import load_on

pytestmark = pytest.mark.e2e

BAD = '[{prompt: Say OK., expect: {regex: "^OK$"}}]'


def declare(box, revision, name="chat", *, script=None, **spec):
    """Declare an instance whose answers say which revision of it they are from."""
    script = {"reply": f"r{revision}"} | (script or {})
    box.write(f"scripts/{name}-{revision}.json", json.dumps(script))
    box.write(
        f"models/{name}/model.yaml",
        f"""\
        model: acme/{name}
        base:
          - key: acme/{name}-script
            sources:
              - {{type: file, path: ../../scripts/{name}-{revision}.json}}
        """,
    )
    box.instance(name, f"acme/{name}", runtime="echo", **spec)


def settled(box, revision, load, *, ready=True):
    """Wait until requests are answered by that revision, and everything is Ready again."""
    if ready:
        generation = box.status().generation
        box.until(lambda s: s.ready and s.generation >= generation and not s.steps)
    load.more(8)
    assert {each.text for each in load.asked[-4:]} == {f"r{revision}"}


def edited(box, change, generation):
    change()
    box.until(lambda s: s.generation >= generation)


def message(status, key="instance/chat"):
    return next(each.message for each in status.objects if each.key == key)


def state(status, key="instance/chat"):
    return next(each.state for each in status.objects if each.key == key)


def nothing_failed(load):
    assert [each.trouble for each in load.failed] == []


def test_surge_replacements_failures_and_a_rename_are_not_noticed(box):
    declare(box, 1, strategy="{type: surge}")
    box.echo("other")
    box.apply()
    other = box.pid("instance/other")
    with load_on(box.port) as load:
        load.until(20)
        for revision in (2, 3):
            edited(box, lambda r=revision: declare(box, r, strategy="{type: surge}"), revision)
            settled(box, revision, load)
        pid = box.pid("instance/chat")

        declare(box, 4, strategy="{type: surge}", checks=BAD)
        refused = box.until(lambda s: state(s) is State.STALLED)
        assert message(refused) == (
            'check 1 of 1: "Say OK." was answered "r4", expected a match of `^OK$`'
        )
        load.more(1000)
        assert ask(box.url, "who serves?").strip() == "r3"
        assert httpx2.get(f"{box.url}/readyz").status_code == 200

        declare(box, 5, strategy="{type: surge}")
        settled(box, 5, load)
        assert box.pid("instance/chat") != pid

        pid = box.pid("instance/chat")
        (box.fleet / "instances" / "chat.yaml").unlink()
        box.write(
            "instances/talk.yaml",
            """\
            apiVersion: lmctl/v1alpha1
            kind: Instance
            metadata: {name: talk}
            spec: {model: acme/chat, identifier: chat, runtime: echo, renamedFrom: chat}
            """,
        )
        box.until(lambda s: s.ready and any(each.key == "instance/talk" for each in s.objects))
        assert box.pid("instance/talk") == pid
        load.more(20)
    nothing_failed(load)
    assert len(load.asked) > 1000
    assert box.pid("instance/other") == other
    assert (
        (box.home.logs / "runner-talk.log").read_text().splitlines()[-1].count('"runner": "talk"')
    )
    _no_old_answer_after_a_flip(box, load)


def _no_old_answer_after_a_flip(box, load):
    """What began after a route was switched was answered by what it was switched to, or later."""
    flips = [
        each.at
        for each in box.client.events(0)
        if each.reason == "Done" and each.message.startswith("switch ")
    ]
    assert len(flips) == 3
    revisions = (1, 2, 3, 5)
    for each in load.asked:
        flipped = sum(each.began > at for at in flips)
        assert int(each.text[1:]) >= revisions[flipped], (each, flips)


def test_drain_replacements_park_requests_and_a_failed_one_is_taken_back(box):
    spec = {"strategy": "{type: drain, maxDrain: 2s}"}
    declare(box, 1, **spec)
    box.apply()
    with load_on(box.port) as load:
        load.until(20)
        edited(box, lambda: declare(box, 2, **spec), 2)
        settled(box, 2, load)
        declare(box, 3, checks=BAD, **spec)
        box.until(lambda s: state(s) is State.STALLED and "the one before serves" in message(s))
        settled(box, 2, load, ready=False)
        declare(box, 4, **spec)
        settled(box, 4, load)
    nothing_failed(load)
    assert load.texts.keys() == {"r1", "r2", "r4"}


def test_a_stream_that_outlasts_the_drain_ends_with_an_error_and_shorter_ones_do_not(box):
    slow = {"reply": "w " * 400, "token_seconds": 0.02}
    declare(box, 1, script=slow, strategy="{type: drain, maxDrain: 1s}")
    box.apply()
    with streaming(box.url, "hi") as long, streaming(box.url, "hi", max_tokens=20) as short:
        next(long)
        next(short)
        declare(box, 2, strategy="{type: drain, maxDrain: 1s}")
        rest, rest_of_short = list(long), list(short)
    assert rest_of_short[-1] is None
    assert len(text_of(rest_of_short).split()) >= 19
    assert "did not finish within 1 s" in rest[-1]["error"]["message"]
    box.until_ready(generation=2)


def test_a_newer_edit_goes_back_while_the_candidate_loads_and_touches_nothing(box):
    declare(box, 1, strategy="{type: surge}")
    box.apply()
    pid = box.pid("instance/chat")
    with load_on(box.port) as load:
        for revision in (2, 3):
            slow = {"load_seconds": 600}
            declare(box, revision, script=slow, strategy="{type: surge}")
            box.until(lambda s: message(s).startswith("loading"))
            candidates = _runners(box) - {pid}
            declare(box, 1, strategy="{type: surge}")
            box.until(lambda s: s.ready and not s.steps)
            assert box.pid("instance/chat") == pid
            assert not candidates & _runners(box)
        load.more(10)

        hanging = "{type: surge, maxLoad: 1s}"
        declare(box, 4, script={"load_seconds": 600}, strategy=hanging)
        stuck = box.until(lambda s: state(s) is State.RETRYING)
        assert message(stuck).startswith("not loaded within 1.0s (it was loading")
        declare(box, 1, strategy=hanging)
        box.until(lambda s: s.ready and not s.steps)
        assert box.pid("instance/chat") == pid
    nothing_failed(load)


def test_a_daemon_killed_in_the_middle_leaves_a_replacement_the_next_one_finishes(box):
    slow_check = '[{prompt: Say OK., expect: {regex: "r"}}]'
    slow = {"token_seconds": 1, "bytes_per_token": 1}  # so that its drain takes a moment
    moments = {
        2: (lambda s: message(s).startswith("loading"), {"load_seconds": 1}, "surge"),
        3: (lambda s: message(s).startswith("proving: check"), {"token_seconds": 0.3}, "surge"),
        4: (lambda s: message(s).startswith("loading"), {"load_seconds": 1} | slow, "drain"),
        5: (lambda s: message(s).startswith("draining"), {}, "drain"),
    }
    declare(box, 1)
    box.apply()
    with load_on(box.port) as load:
        for revision, (moment, script, how) in moments.items():
            strategy = f"{{type: {how}}}"
            declare(box, revision, script=script, strategy=strategy, checks=slow_check)
            box.until(moment)
            box.kill(box.daemon_pid())
            assert box.lmctl("daemon", "up").code == 0
            settled(box, revision, load)
            assert len(_runners(box)) == 1
    nothing_failed(load)


def test_checks_are_edited_hot_and_routes_are_followed(box):
    declare(box, 1)
    declare(box, 2, name="spare")
    box.write(
        "routes.yaml",
        """\
        apiVersion: lmctl/v1alpha1
        kind: Route
        metadata: {name: smart}
        spec: {targets: [{instance: chat}], fallback: [spare]}
        """,
    )
    box.apply()
    pids = box.pid("instance/chat"), box.pid("instance/spare")
    assert ask(box.url, "hi", model="smart") == "r1"

    declare(box, 1, checks='[{prompt: Say it., expect: {regex: "^r1$"}}]')
    box.until(lambda s: s.ready and s.generation == 2)
    declare(box, 1, checks=BAD)
    told = box.until(lambda s: state(s) is State.STALLED)
    assert message(told).endswith("it goes on serving")
    assert ask(box.url, "hi", model="smart") == "r1"
    assert (box.pid("instance/chat"), box.pid("instance/spare")) == pids

    declare(box, 3, script={"fail_load": "no such thing"}, strategy="{type: drain}", checks=BAD)
    box.until(lambda s: "the one before serves" in message(s))
    assert ask(box.url, "hi", model="smart") in ("r1", "r2"), "the fallback, or the one before"


def _runners(box):
    return {each.pid for each in box.left_over() if "lmctl.runner.main" in " ".join(each.cmdline())}
