"""Speculative decoding on real weights: the same answers, in fewer steps."""

import pytest

from lmctl.base.spec import PROMPT_LOOKUP, LoadSettings
from lmctl.base.talk import Finished, Sampling, TextDelta
from lmctl.runner.draft_model import DraftModel
from lmctl.runner.guessing import Guessing
from lmctl.runner.job import Job
from lmctl.runner.port import LoadFailed
from lmctl.runner.prompt_lookup import PromptLookup
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler
from tests.support import tiny_gemma

GREEDY = Sampling(temperature=0, repeat_penalty=None)
REPEATING = "Buy bread, milk and eggs. " * 6 + "Buy"


@pytest.fixture(scope="module")
def engine(gguf):
    from lmctl.runner.llamacpp import engine as llamacpp

    # One thread: more would wait for each other where other tests are at work too.
    settings = LoadSettings(context_length=256, parallel=2, threads=1, drafter=PROMPT_LOOKUP)
    found = llamacpp.load([gguf], settings, progress=lambda _share: True)
    yield found
    found.close()


@pytest.fixture(scope="module")
def twin(engine, gguf):
    """The same weights once more, to guess for themselves."""
    from lmctl.runner.llamacpp import engine as llamacpp

    settings = LoadSettings(context_length=256, parallel=2, threads=1)
    draft = llamacpp.load_draft(
        [gguf], settings, engine, names=("one", "other"), progress=lambda _share: True
    )
    found = DraftModel("twin", draft, vocabulary=engine.facts.vocabulary)
    yield found
    found.close()


LOOKUP = PromptLookup()


def answered(
    engine, *prompts, guesses, sampling=GREEDY, logprobs=None, tokens=32, drafter=LOOKUP, likely=0.0
):
    """Return each answer as text, tokens and the last event. No time passes: nothing is judged."""
    jobs = []
    events = {}

    def take(turn):
        for output in turn.outputs:
            events[output.job] += output.events
        if all(job.ended for job in jobs):
            scheduler.stop()

    scheduler = Scheduler(engine, take, clock=lambda: 0.0, drafters=[drafter])
    for prompt in prompts:
        job = Job(
            "id",
            engine.tokenize(prompt, add_bos=True, parse_special=True),
            sampling,
            tokens,
            TextAssembler(),
            deadline=60.0,
            logprobs=logprobs,
            guessing=Guessing(drafter.name, most=8, least_probability=likely) if guesses else None,
            asked_at=0.0,
        )
        jobs.append(job)
        events[job] = []
        scheduler.submit(job)
    scheduler.run()
    for sequence in scheduler._cache.resting:
        engine.forget(sequence)
    return [_told(events[job]) for job in jobs]


def _told(events):
    texts = [each for each in events if isinstance(each, TextDelta)]
    tokens = [token for each in texts for token in each.tokens]
    [ended] = [each for each in events if isinstance(each, Finished)]
    return "".join(each.text for each in texts), tokens, ended


SAMPLED = Sampling(temperature=0.8, seed=7, repeat_penalty=1.05, frequency_penalty=0.1)


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_the_answer_is_the_one_without_guesses(engine, sampling):
    [(plain, _, before)] = answered(engine, REPEATING, guesses=False, sampling=sampling)
    [(guessed, _, after)] = answered(engine, REPEATING, guesses=True, sampling=sampling)

    assert guessed == plain
    assert after.usage == before.usage
    assert after.drafted.total > 0


def test_two_answers_guess_side_by_side(engine):
    other = "one two three one two three one two three one two"
    plain = answered(engine, REPEATING, other, guesses=False)
    guessed = answered(engine, REPEATING, other, guesses=True)

    assert [text for text, _, _ in guessed] == [text for text, _, _ in plain]
    assert sum(ended.drafted.accepted for _, _, ended in guessed) >= 16


def test_probabilities_are_told_of_guessed_tokens_too(engine):
    [(_, plain, _)] = answered(engine, REPEATING, guesses=False, logprobs=2)
    [(_, guessed, _)] = answered(engine, REPEATING, guesses=True, logprobs=2)

    assert [each.chosen.token for each in guessed] == [each.chosen.token for each in plain]
    for one, other in zip(guessed, plain, strict=True):
        assert one.chosen.logprob == pytest.approx(other.chosen.logprob, abs=0.05)


NOVEL = "The quick brown fox", "Once upon a time there was"


@pytest.mark.parametrize("sampling", [GREEDY, SAMPLED], ids=["greedy", "sampled"])
def test_a_draft_model_changes_no_answer(engine, twin, sampling):
    plain = answered(engine, *NOVEL, guesses=False, sampling=sampling)
    guessed = answered(engine, *NOVEL, guesses=True, sampling=sampling, drafter=twin)

    assert [text for text, _, _ in guessed] == [text for text, _, _ in plain]
    assert all(ended.drafted.total for _, _, ended in guessed)


def test_a_model_guesses_its_own_greedy_tokens_right(engine, twin):
    [(_, _, ended)] = answered(engine, NOVEL[0], guesses=True, drafter=twin)

    drafted = ended.drafted
    checked = drafted.total - drafted.ignored
    assert drafted.accepted >= 0.9 * checked > 16


def test_a_draft_model_stops_where_nothing_is_likely(engine, twin):
    [(_, _, all_of_it)] = answered(engine, NOVEL[1], guesses=True, drafter=twin)
    [(_, _, likely)] = answered(engine, NOVEL[1], guesses=True, drafter=twin, likely=0.5)

    assert likely.drafted.total < all_of_it.drafted.total


def test_a_draft_model_goes_on_where_another_answer_began_alike(engine, twin):
    answered(engine, NOVEL[0], guesses=True, drafter=twin)
    [(_, _, ended)] = answered(engine, NOVEL[0] + " is", guesses=True, drafter=twin)

    assert ended.drafted.accepted


def test_a_model_of_another_vocabulary_cannot_guess(engine, tmp_path):
    from lmctl.runner.llamacpp import engine as llamacpp

    other = tiny_gemma.write(tmp_path / "tiny.gguf")
    settings = LoadSettings(context_length=256, parallel=1, threads=1)
    names = ("acme/large", "acme/tiny")

    with pytest.raises(LoadFailed, match="acme/tiny cannot guess tokens for acme/large: they"):
        llamacpp.load_draft([other], settings, engine, names=names, progress=lambda _share: True)
