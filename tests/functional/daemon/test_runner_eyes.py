"""What is seen of a runner whose daemon died at an awkward moment."""

import os

import psutil

from lmctl.adapters.processes import Identity, Processes
from lmctl.adapters.runner_folders import folder_of
from lmctl.base.errors import Unreachable
from lmctl.base.spec import LoadSettings, Phase, RunnerSpec
from lmctl.reconciler.runners import RunnerEyes


async def nobody(_socket):
    raise Unreachable("nobody listens")


async def test_a_spec_that_no_process_was_started_for_is_no_failed_attempt(tmp_path):
    folder = folder_of(tmp_path, "chat", "d" * 64)
    folder.create()
    folder.write(
        RunnerSpec(
            name="chat",
            uid="u1",
            engine="echo",
            model="acme/chat",
            spec_digest="d" * 64,
            weights=(),
            load=LoadSettings(),
            socket=str(tmp_path / "chat.sock"),
            attempt="this one",
        )
    )
    eyes = RunnerEyes(tmp_path, Processes(), nobody)

    (left,) = await eyes.look()
    assert (left.phase, left.attempt) == (Phase.FAILED, "")

    folder.note_process(Identity(os.getpid(), psutil.Process().create_time()))
    (starting,) = await eyes.look()
    assert (starting.phase, starting.attempt) == (Phase.STARTING, "this one")
