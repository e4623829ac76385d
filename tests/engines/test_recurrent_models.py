"""Models that keep a state instead of their tokens: what can be done with one is done, the rest is told.

Nothing of a state can be taken back. So what was read is used again as a whole or not at all, a full
context is read anew without its middle, and guesses, which have to be taken back, are declined.
"""

from pathlib import Path

import pytest

from lmctl.base.spec import FailureKind, LoadSettings, RunnerSpec
from lmctl.runner.engines import open_drafters
from lmctl.runner.port import LoadFailed
from lmctl.runner.saved_prefixes import SavedPrefixes
from tests.support import tiny_mamba
from tests.support.asker import Asker

TEXT = [1 + (5 * n * n + n) % (tiny_mamba.WORDS - 1) for n in range(300)]
MORE = [*TEXT, 17, 4, 60, 2]
OTHER = [*TEXT[:150], *(1 + 3 * n % 90 for n in range(60))]
LOAD = LoadSettings(context_length=512, parallel=3, threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_mamba.write(tmp_path_factory.mktemp("mamba") / "m.gguf")


def opened(path: Path, load: LoadSettings = LOAD):
    from lmctl.runner.llamacpp import engine as llamacpp

    return llamacpp.load([path], load, progress=lambda _share: True)


@pytest.fixture
def engine(model):
    found = opened(model)
    yield found
    found.close()


def cold(model, prompt, load=LOAD, **more):
    """Return what a new engine answers."""
    engine = opened(model, load)
    [(said, _)] = Asker(engine).ask(prompt, **more)
    engine.close()
    return said


def test_it_says_what_cannot_be_done_with_its_memory(engine):
    assert engine.facts.architecture == "mamba"
    assert (engine.facts.can_cut, engine.facts.can_shift) == (False, False)


def test_answers_are_the_same_alone_and_beside_others(model, engine):
    found = Asker(engine).ask(TEXT, OTHER, MORE[::-1])

    assert [said for said, _ in found] == [cold(model, each) for each in (TEXT, OTHER, MORE[::-1])]


def test_a_prompt_that_goes_on_where_another_ended_is_not_read_again(model, engine):
    asker = Asker(engine)
    asker.ask(TEXT, tokens=1)
    [(said, cached)] = asker.ask(MORE)

    assert cached == len(TEXT)
    assert said == cold(model, MORE)


def test_one_that_parts_from_what_was_read_is_read_whole(model, engine):
    asker = Asker(engine)
    asker.ask(TEXT)
    [(said, cached)] = asker.ask(OTHER)

    assert cached == 0
    assert said == cold(model, OTHER)


def test_a_full_context_loses_its_middle_and_the_rest_is_read_again(model):
    engine = opened(model, LoadSettings(context_length=256, parallel=1, threads=1))
    asker = Asker(engine)
    asker.ask(TEXT[:249], tokens=20, keep=100, logprobs=0)
    [said] = [[each.chosen.token for each in chosen] for chosen in asker.chosen]
    engine.close()

    # It is full with these, and goes on as if half of what need not be kept had not been there.
    shown = [*TEXT[:249], *said[:8]]
    without = [*shown[:100], *shown[100 + (256 - 100) // 2 :]]
    assert cold(model, without, tokens=12) == said[8:]


def test_what_it_read_can_be_saved_and_taken_up_again(model, tmp_path):
    for prompt, found in ((TEXT, 0), (MORE, len(TEXT))):
        engine = opened(model)
        asker, saved = Asker(engine), SavedPrefixes(tmp_path, "k" * 40, engine)
        asker._scheduler.take_in(saved)
        [(said, cached)] = asker.ask(prompt, tokens=1 if prompt is TEXT else 10)
        asker._scheduler.save(saved)
        engine.close()
        assert cached == found
    assert said == cold(model, MORE)


def test_guesses_are_declined_with_the_reason(model, engine, tmp_path):
    load = LoadSettings(drafter="prompt-lookup")
    spec = RunnerSpec("chat", "u", "llama.cpp", "acme/mamba", "d", (), load, str(tmp_path / "s"))

    with pytest.raises(LoadFailed, match="keeps a state that no token can be taken out of") as told:
        open_drafters(spec, engine, progress=lambda _share: True)
    assert told.value.kind is FailureKind.CONFIG
