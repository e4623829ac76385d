"""What a runner must show before clients reach it, asked of a real one on a real socket."""

import asyncio
import os
from dataclasses import replace

import pytest

from lmctl.actuators.proving import Disproved, passes_checks, says_something
from lmctl.adapters import runner_client
from lmctl.adapters.processes import Identity, Processes, identity_of
from lmctl.adapters.runner_folders import folder_of
from lmctl.base.errors import Unreachable
from lmctl.base.spec import FailureKind, LoadSettings, RunnerSpec
from lmctl.planning.desired import Check
from lmctl.reconciler.runners import RunnerEyes
from lmctl.runner.echo import Script
from lmctl.runner.wire import Trouble
from tests.support.tiny_runner import tiny_runner
from tests.support.worlds import want

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


async def prove(tmp_path, check, *, operation=None, **script):
    """Return the calls the runner got and what was reported, or raise Disproved."""
    told = []
    wanted = replace(want("chat"), checks=(check,), operation=operation or {})
    async with tiny_runner(tmp_path / "s", **script) as runner:
        await passes_checks(runner_client.ask, runner.socket, wanted, told.append)
    return runner.calls, [each.text for each in told]


@pytest.mark.parametrize(
    ("check", "answer"),
    [
        pytest.param(Check("?"), "", id="any answer"),
        pytest.param(Check("?", regex="(?i)ok"), "well, OK then", id="regex"),
        pytest.param(Check("?", json_schema=SCHEMA), ' {"n": 1}\n', id="schema"),
    ],
)
async def test_a_good_answer_passes(tmp_path, check, answer):
    calls, told = await prove(tmp_path, check, text=answer)
    assert told == ["proving: check 1 of 1"]
    assert calls[0].sampling.temperature == 0.0


@pytest.mark.parametrize(
    ("check", "answer", "expected"),
    [
        pytest.param(
            Check("Say OK.", regex="^OK$"),
            "no\nway",
            'check 1 of 1: "Say OK." was answered "no way", expected a match of `^OK$`',
            id="regex",
        ),
        pytest.param(
            Check("?", regex="x"), "w " * 200, f'was answered "{"w " * 60}…", expected', id="cut"
        ),
        pytest.param(Check("?", json_schema=SCHEMA), "one", "expected JSON: ", id="no JSON"),
        pytest.param(
            Check("?", json_schema=SCHEMA), '{"n": "one"}', "expected JSON that fits", id="schema"
        ),
    ],
)
async def test_a_bad_answer_is_told_with_the_question_and_what_was_expected(
    tmp_path, check, answer, expected
):
    with pytest.raises(Disproved) as told:
        await prove(tmp_path, check, text=answer)
    assert expected in str(told.value)
    assert told.value.kind is FailureKind.CONFIG


async def test_an_answer_that_takes_too_long_is_a_bad_one(tmp_path):
    with pytest.raises(Disproved, match=r"had no whole answer within 0\.1s"):
        await prove(tmp_path, Check("?", max_seconds=0.05), hold=True)


async def test_checks_are_asked_with_the_instances_own_settings(tmp_path):
    operation = {"llm.prediction.temperature": 0.7, "llm.prediction.systemPrompt": "Be brief."}
    calls, _ = await prove(tmp_path, Check("?"), operation=operation)
    assert calls[0].sampling.temperature == 0.7
    assert [each.role for each in calls[0].input.messages] == ["system", "user"]


async def test_a_runner_that_cannot_answer_says_why_and_whether_it_may_later(tmp_path):
    for kind, expected in (("bad_request", FailureKind.CONFIG), ("engine_failed", FailureKind.BUG)):
        async with tiny_runner(tmp_path / "s", refuse=Trouble(kind, "no text here")) as runner:
            with pytest.raises(Disproved, match="says no token: no text here") as told:
                await says_something(runner_client.ask, runner.socket, "text")
        assert told.value.kind is expected


async def test_a_model_that_embeds_is_proven_by_a_vector(echo):
    box = await echo(Script(embeds=4)).ready()
    status = await runner_client.status(box.socket)
    assert status.kind == "embedding"
    await says_something(runner_client.ask, box.socket, status.kind)
    with pytest.raises(Disproved, match="says no token"):
        await says_something(runner_client.ask, box.socket, "text")


async def test_a_runner_marked_before_its_end_is_retired_only_once_it_is_gone(tmp_path):
    """A look between its end and the mark took it for a dead one, and removed what was to come back."""
    folder = folder_of(tmp_path, "chat", "d" * 64)
    folder.create()
    spec = RunnerSpec("chat", "u", "echo", "m", "d" * 64, (), LoadSettings(), str(tmp_path / "s"))
    folder.write(spec)
    folder.note_process(identity_of(os.getpid()))
    folder.mark_retired()

    async def silent(_socket):
        await asyncio.sleep(0)
        raise Unreachable("nobody")

    eyes = RunnerEyes(tmp_path, Processes(), silent)
    (running,) = await eyes.look()
    assert (running.retired, running.alive) == (False, True)
    folder.note_process(Identity(os.getpid(), 1.0))
    (gone,) = await eyes.look()
    assert (gone.retired, gone.alive) == (True, False)
