"""Speculative decoding in a runner's process, with the echo engine."""

import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Drafting
from lmctl.runner.echo import Script
from lmctl.runner.guessing import PROMPT_LOOKUP
from tests.functional.runner.boxes import answer, chat

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
