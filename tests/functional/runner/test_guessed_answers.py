"""Speculative decoding in a runner's process, with the echo engine."""

import pytest

from lmctl.adapters import runner_client
from lmctl.base.errors import BadRequest
from lmctl.base.spec import PROMPT_LOOKUP, LoadSettings, Phase
from lmctl.base.talk import Drafting
from lmctl.runner.echo import Script
from tests.functional.runner.boxes import answer, chat, weight_file

SAID = "one two three four five six seven eight nine ten " * 4


async def test_a_call_can_have_tokens_guessed_and_hears_what_became_of_them(echo):
    box = await echo(Script(), load=LoadSettings(parallel=2)).ready()

    plain = await answer(box, chat(SAID))
    told = await answer(box, chat(SAID, drafting=Drafting(draft=True, model=PROMPT_LOOKUP)))

    assert plain.end.drafted is None
    assert told.text == plain.text == SAID
    drafted = told.end.drafted
    assert drafted.drafter == PROMPT_LOOKUP
    assert drafted.total == drafted.accepted + drafted.rejected + drafted.ignored > 0


async def test_a_drafter_that_is_not_there_is_refused(echo):
    box = await echo(Script()).ready()

    with pytest.raises(BadRequest, match="no draft model 'acme/small' loaded"):
        await answer(box, chat("?", drafting=Drafting(draft=True, model="acme/small")))


async def test_a_draft_model_is_loaded_beside_and_what_is_loaded_is_told(echo, tmp_path):
    weights = tmp_path / "small.json"
    weights.write_bytes(b"{}")
    load = LoadSettings(parallel=2, drafter="acme/small")
    draft = weight_file(weights)
    box = await echo(Script(), load=load, draft=(draft,)).ready()

    told = await answer(box, chat(SAID))

    assert told.text == SAID
    assert told.end.drafted.drafter == "acme/small"
    status = await runner_client.status(box.socket)
    assert status.weights == (box.spec.weights[0].sha256, draft.sha256)


async def test_a_draft_model_that_does_not_load_is_a_failure_of_the_load(echo, tmp_path):
    weights = tmp_path / "small.json"
    weights.write_bytes(b'{"load_seconds": 0.5, "fail_load": "out of order"}')
    load = LoadSettings(parallel=2, drafter="acme/small")

    box = echo(Script(), load=load, draft=(weight_file(weights),))

    status = await box.until(lambda status: status.phase is Phase.FAILED)
    assert status.reason == "out of order"
