"""llama.cpp's vectors against a reference in numpy."""

from pathlib import Path

import numpy as np
import pytest

from lmctl.adapters.weights import gguf_facts
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Texts
from lmctl.planning.fit.estimate import LLAMA_PROCESS, estimate
from lmctl.runner.embedding_texts import prepare_texts
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.port import Bell, EmbeddingEngine, Interrupted, LoadFailed
from tests.support.minilm import minilm
from tests.support.tiny_bert import LONGEST, SEP, TOKENS, WIDE, tiny_bert, tokens_of

TEXTS = ("the cat sat on a mat", "dog ran", "old song the red bird sang far on the mat")
CLOSE = 2e-3  # llama.cpp looks its GELU up in a table of half floats


def load(path: Path, **settings: int) -> EmbeddingEngine:
    return llamacpp.load([path], LoadSettings(**settings), progress=lambda _share: True)


def numbers(vector: bytes) -> np.ndarray:
    return np.frombuffer(vector, "<f4")


@pytest.mark.parametrize(
    ("said", "meant"),
    [("mean", "mean"), ("cls", "cls"), ("last", "last"), ("none", "mean"), (None, "mean")],
)
def test_vectors_are_pooled_as_the_header_says_and_by_their_mean_if_it_says_nothing(
    tmp_path, said, meant
):
    bert = tiny_bert()
    engine = load(bert.write(tmp_path / "bert.gguf", pooling=said))
    tokens = [engine.tokenize(text, add_bos=True, parse_special=True) for text in TEXTS]
    assert tokens == [tokens_of(text) for text in TEXTS]

    vectors = engine.embed(tokens, Bell())

    engine.close()
    assert (engine.facts.kind, engine.facts.dimensions) == ("embedding", WIDE)
    for text, vector in zip(tokens, vectors, strict=True):
        assert numbers(vector) == pytest.approx(bert.vector(text, pooling=meant), abs=CLOSE)
        assert np.linalg.norm(numbers(vector)) == pytest.approx(1)


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    path = tiny_bert().write(tmp_path_factory.mktemp("bert") / "bert.gguf")
    found = load(path, context_length=4096)
    yield found
    found.close()


def test_a_full_step_of_the_longest_texts_is_what_each_is_alone(engine):
    long = [(7 * n) % (len(TOKENS) - 5) + 5 for n in range(LONGEST)]
    texts = [long[n:] + long[:n] for n in range(engine.facts.step_tokens // LONGEST)]
    together = engine.embed(texts, Bell())
    for text, vector in zip(texts, together, strict=True):
        [alone] = engine.embed([text], Bell())
        assert numbers(alone) == pytest.approx(numbers(vector), abs=1e-5)
        assert numbers(vector) == pytest.approx(tiny_bert().vector(text), abs=CLOSE)


def test_no_text_is_longer_than_the_model_was_trained_on_and_a_cut_one_is_still_closed(engine):
    assert engine.facts.context_length == LONGEST
    call = Call("id", Texts(("the cat " * LONGEST,)))
    [tokens] = prepare_texts(engine, call, deadline=1.0).texts
    assert len(tokens) == LONGEST
    assert tokens[-1] == SEP


def test_a_rung_bell_breaks_a_step_off_and_nothing_of_it_stays(engine):
    tokens = tokens_of(TEXTS[0])
    [before] = engine.embed([tokens], Bell())
    bell = Bell()
    bell.set()
    with pytest.raises(Interrupted):
        engine.embed([tokens] * 4, bell)
    assert engine.embed([tokens], Bell()) == [before]


def test_a_model_that_ranks_is_refused(tmp_path):
    with pytest.raises(LoadFailed, match="ranks texts"):
        load(tiny_bert().write(tmp_path / "rank.gguf", pooling="rank"))


def test_the_estimate_counts_the_step_that_holds_the_longest_text(tmp_path):
    facts = gguf_facts.facts([tiny_bert().write(tmp_path / "bert.gguf")])
    assert facts.embeds
    short, default = (estimate(facts, LoadSettings(physical_batch_size=size)) for size in (32, 512))
    assert short.compute < default.compute
    assert default.overhead >= LLAMA_PROCESS


@pytest.mark.engine
def test_a_real_model_says_what_the_reference_says_and_knows_what_is_alike():
    bert, path = minilm()
    texts = ("How do I reset my password?", "I forgot my login", "The weather is lovely today")
    engine = load(path)
    tokens = [engine.tokenize(text, add_bos=True, parse_special=True) for text in texts]
    vectors = [numbers(each) for each in engine.embed(tokens, Bell())]
    engine.close()

    for read, vector in zip(tokens, vectors, strict=True):
        assert vector == pytest.approx(bert.vector(read), abs=CLOSE)
    password, login, weather = vectors
    assert password @ login > 0.5
    assert max(password @ weather, login @ weather) < 0.3
