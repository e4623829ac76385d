"""MLX behind the scheduler: prefixes that are read once, grammars, guesses, smaller caches."""

import json
from random import Random

import pytest

from lmctl.base.errors import LmctlError
from lmctl.base.spec import PROMPT_LOOKUP, LoadSettings, RunnerSpec
from lmctl.base.talk import Drafting, JsonDocument, Sampling
from lmctl.runner.constraining import Constraining
from lmctl.runner.draft_model import DraftModel
from lmctl.runner.engines import open_drafters, open_engine
from lmctl.runner.guessing import guessing_of
from lmctl.runner.mlx import opening as mlx
from lmctl.runner.port import LoadFailed, Saving
from lmctl.runner.prompt_lookup import PromptLookup
from lmctl.runner.saved_prefixes import SavedPrefixes
from lmctl.runner.scheduler import Scheduler
from tests.engines.test_mlx import KINDS, reference
from tests.functional.runner.boxes import weight_file
from tests.support import tiny_mlx
from tests.support.scheduling import World

pytestmark = pytest.mark.engine

GREEDY = Sampling(temperature=0, repeat_penalty=None)
STORY = "The old lighthouse keeper climbed the stairs every evening and lit the lamp. "


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    kinds = {kind: KINDS[kind] for kind in ("plain", "window", "state")}
    kinds["wide"] = {"head_dim": 32}
    return {
        kind: tiny_mlx.write(tmp_path_factory.mktemp(kind) / "model", **more)
        for kind, more in kinds.items()
    }


def world(folder, **settings):
    files = [(path.name, path) for path in sorted(folder.iterdir())]

    def engine(_script, **given):
        wanted = LoadSettings(**{"context_length": 512, "parallel": 3} | given)
        return mlx.load(files, wanted, progress=lambda _share: True)

    return World(None, engine=engine, **settings)


def ask(found, *texts, **more):
    """Have texts answered together; return how they ended."""
    found.restart()
    jobs = [found.submit(text, max_tokens=4, **more) for text in texts]
    for job in jobs:
        job.sampling = GREEDY
    found.scheduler.run()
    return jobs


@pytest.mark.parametrize("kind", ["plain", "window"])
def test_what_begins_alike_is_read_once(folders, kind):
    alone, found = world(folders[kind]), world(folders[kind])
    [whole] = ask(alone, STORY + "Then it rained.")
    ask(found, STORY + "One night the sea rose.")

    [job] = ask(found, STORY + "Then it rained.")

    assert job.cached == len(STORY)
    assert found.text(job) == alone.text(whole)


def test_a_state_is_used_by_what_goes_on_and_by_nothing_else(folders):
    found = world(folders["state"])
    [first] = ask(found, STORY)
    said = b"".join(map(found.engine.piece, first.tokens[first.prompt_tokens :]))

    [other] = ask(found, STORY[:60])
    found.restart()
    again = found.submit("x", max_tokens=2)
    again.prompt = [*first.tokens, *b" and"]
    again.tokens = list(again.prompt)
    again.sampling = GREEDY
    found.scheduler.run()

    assert said
    assert other.cached == 0  # its middle cannot be had
    assert again.cached == first.fed


@pytest.mark.parametrize("kind", ["plain", "window", "state"])
def test_any_mix_of_texts_that_begin_alike_says_what_each_says_alone(folders, kind):
    random, found, jobs = Random(3), world(folders[kind], parallel=4), []
    for _ in range(4):
        letters = ["".join(random.choices("abc ", k=random.randrange(12))) for _ in range(5)]
        jobs += ask(found, *(STORY * random.choice((1, 2)) + each for each in letters))

    assert sum(job.cached for job in jobs) > 0
    for job in jobs:
        alone = reference(folders[kind], job.prompt, 4)
        assert job.tokens[job.prompt_tokens :][: job.produced] == alone[: job.produced]


def test_what_others_read_at_the_same_time_is_copied(folders):
    found = world(folders["plain"])

    jobs = ask(found, *(f"{STORY}{n}" for n in range(3)))

    assert sorted(job.cached for job in jobs) == [0, len(STORY), len(STORY)]
    assert len({found.text(job) for job in jobs}) == 3


def test_answers_keep_to_a_schema_beside_others_that_are_free(folders):
    found = world(folders["plain"])
    constraining = Constraining(found.engine)
    schema = {"type": "array", "items": {"enum": [1, 22]}, "minItems": 2, "maxItems": 2}
    matcher = constraining.matcher(JsonDocument(schema), most=20)
    held = found.submit(STORY, max_tokens=20, matcher=matcher)
    free = found.submit(STORY + "free", max_tokens=6)
    found.scheduler.run()
    constraining.close()

    assert set(json.loads(found.text(held))) <= {1, 22}
    assert free.produced == 6


@pytest.mark.parametrize("begin", [0, 20])
def test_quantized_keys_and_values_can_be_cut_and_copied(folders, begin):
    found = world(folders["wide"], kv_quantized=(8, 32, begin))
    plain = world(folders["wide"])
    [first] = ask(found, STORY + "One")

    [second] = ask(found, STORY + "Two")
    [exact] = ask(plain, STORY + "One")

    assert found.engine.facts.can_cut
    assert second.cached == len(STORY)
    assert found.text(first)[:1] == plain.text(exact)[:1]  # 8 bits do not change what is likeliest


def test_a_group_that_does_not_divide_is_refused(folders):
    with pytest.raises(LoadFailed, match="cannot be quantized to 8 bits in groups of 64"):
        world(folders["wide"], kv_quantized=(8, 64, 0))


def test_a_state_has_nothing_to_quantize(folders):
    with pytest.raises(LoadFailed, match="nothing that can be quantized"):
        world(folders["state"], kv_quantized=(8, 32, 0))


def test_what_was_read_is_there_again_in_the_next_engine(folders, tmp_path):
    before, after = world(folders["window"]), world(folders["window"])
    long = STORY * 5
    [first] = ask(before, long + "Then")
    before.scheduler.save(SavedPrefixes(tmp_path, "k", before.engine))
    after.scheduler.take_in(SavedPrefixes(tmp_path, "k", after.engine))

    [again] = ask(after, long + "Then")
    [other] = ask(before, long + "One")
    [same] = ask(after, long + "One")

    assert (first.cached, again.cached) == (0, len(long) + 3)
    assert after.text(again) == before.text(first)
    assert after.text(same) == before.text(other)


def test_a_file_that_is_none_is_not_used(folders, tmp_path):
    damaged = tmp_path / "damaged"
    damaged.write_bytes(b"none")

    assert world(folders["plain"]).engine.restore(0, damaged) == []


def test_what_is_kept_apart_is_not_saved(folders):
    assert not isinstance(world(folders["state"]).engine, Saving)
    assert isinstance(world(folders["plain"]).engine, Saving)


def test_what_is_guessed_from_the_text_changes_no_answer(folders):
    plain, guessing = world(folders["plain"]), world(folders["plain"], drafter=PROMPT_LOOKUP)
    guessing.scheduler = Scheduler(guessing.engine, guessing.take, drafters=(PromptLookup(),))
    load = LoadSettings(drafter=PROMPT_LOOKUP)
    jobs = [each.submit("abab" * 8, max_tokens=60) for each in (plain, guessing)]
    for job in jobs:
        job.sampling = GREEDY
    jobs[1].guessing = guessing_of(Drafting(), load, can_cut=True)
    for each in (plain, guessing):
        each.scheduler.run()

    assert jobs[0].tokens == jobs[1].tokens
    assert jobs[1].guessing.told(0).accepted > 0


def spec(folder, draft, **load):
    weights, guesses = (
        tuple(weight_file(path) for path in sorted(each.iterdir())) for each in (folder, draft)
    )
    return RunnerSpec(
        name="chat",
        uid="u",
        engine="mlx",
        model="acme/large",
        spec_digest="d",
        weights=weights,
        draft=guesses,
        load=LoadSettings(context_length=256, parallel=2, drafter="acme/small", **load),
        socket="/run/none",
    )


def drafters(asked):
    engine = open_engine(asked, progress=lambda _share: True)
    return open_drafters(asked, engine, progress=lambda _share: True)


def test_a_draft_model_of_the_same_vocabulary_guesses(folders):
    found = drafters(spec(folders["plain"], folders["wide"]))

    assert [type(each) for each in found][1:] == [DraftModel]


def test_a_draft_model_of_another_vocabulary_is_refused(folders, tmp_path):
    other = tiny_mlx.write(tmp_path / "model")
    tokenizer = (other / "tokenizer.json").read_text()
    (other / "tokenizer.json").write_text(tokenizer.replace('"<tool>"', '"<fool>"'))

    with pytest.raises(LmctlError, match="acme/small cannot guess tokens for acme/large"):
        drafters(spec(folders["plain"], other))


def test_nothing_guesses_for_a_state(folders):
    with pytest.raises(LoadFailed, match="no token can be taken out of again"):
        drafters(spec(folders["state"], folders["plain"]))
