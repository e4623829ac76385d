"""Greedy answers of real weights are the same, whether the prompt was read or found."""

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Finished, Sampling
from lmctl.runner.job import Job
from lmctl.runner.llamacpp import engine as llamacpp
from lmctl.runner.scheduler import Scheduler
from lmctl.runner.text import TextAssembler
from tests.support import tiny_gemma

pytestmark = pytest.mark.engine

GREEDY = Sampling(temperature=0, repeat_penalty=None)
NEVER = float("inf")
SYSTEM = (
    "<|im_start|>system\nYou are a careful clerk. Answer in one short sentence. Never invent facts, "
    "never repeat the question, always name the place you speak of.<|im_end|>\n"
)
QUESTIONS = ("Where is the Louvre?", "Which river runs there?")


def answer(engine, scheduler, outputs, *prompts, tokens=10):
    """Ask all at once; return of each what it answered, and how much of its prompt was found."""
    del outputs[:]
    jobs = [
        Job(str(n), list(prompt), GREEDY, tokens, TextAssembler(), NEVER)
        for n, prompt in enumerate(prompts)
    ]
    for job in jobs:
        scheduler.submit(job)
    scheduler.run()
    scheduler._stopping = False
    found = []
    for job in jobs:
        [ended] = [
            event
            for output in outputs
            for event in output.events
            if output.job is job and isinstance(event, Finished)
        ]
        found.append((job.tokens[len(job.prompt) :], ended.usage.cached_tokens))
    return found


def start(engine):
    outputs = []

    def take(turn):
        outputs.extend(turn.outputs)
        if not turn.running:
            scheduler.stop()

    scheduler = Scheduler(engine, take)
    return scheduler, outputs


def forget_all(scheduler):
    while scheduler._cache.evict():
        pass


def opened(path, **settings):
    small = {"context_length": 1024, "parallel": 3} | settings
    return llamacpp.load([path], LoadSettings(**small), progress=lambda _share: True)


@pytest.mark.parametrize("unified", [False, True])
def test_a_conversation_goes_on_the_same_with_what_was_kept_and_without(gguf, unified):
    engine = opened(gguf, unified_kv=unified)
    scheduler, outputs = start(engine)
    text, kept, cold, shares = SYSTEM, [], [], []
    for question in QUESTIONS:
        text += f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        prompt = engine.tokenize(text, add_bos=False, parse_special=True)
        [(said, cached)] = answer(engine, scheduler, outputs, prompt)
        kept.append(said)
        shares.append(cached / len(prompt))
        text += b"".join(map(engine.piece, said)).decode() + "<|im_end|>\n"
        cold.append(prompt)
    for number, prompt in enumerate(cold):
        forget_all(scheduler)
        assert answer(engine, scheduler, outputs, prompt) == [(kept[number], 0)]
    forget_all(scheduler)
    engine.close()
    assert shares[0] == 0
    assert shares[1] > 0.7


def test_askers_who_share_a_beginning_are_answered_as_if_each_were_alone(gguf):
    engine = opened(gguf, physical_batch_size=64)
    scheduler, outputs = start(engine)
    prompts = [
        engine.tokenize(
            f"{SYSTEM}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n",
            add_bos=False,
            parse_special=True,
        )
        for question in QUESTIONS
    ]

    together = answer(engine, scheduler, outputs, *prompts)
    alone = []
    for prompt in prompts:
        forget_all(scheduler)
        alone += answer(engine, scheduler, outputs, prompt)
    forget_all(scheduler)
    engine.close()

    assert [said for said, _ in together] == [said for said, _ in alone]
    assert [cached > 30 for _, cached in together] == [False, True]


def test_a_window_s_sequence_is_gone_on_with_and_not_cut_back_far(tmp_path):
    engine = opened(tiny_gemma.write(tmp_path / "m.gguf"), physical_batch_size=64)
    scheduler, outputs = start(engine)
    long = [3 + (7 * n * n + n) % (tiny_gemma.WORDS - 3) for n in range(600)]

    [(first, _)] = answer(engine, scheduler, outputs, long)
    [(second, on)] = answer(engine, scheduler, outputs, [*long, *first, 5, 6])
    [(third, back)] = answer(engine, scheduler, outputs, long[:200])
    forget_all(scheduler)
    assert answer(engine, scheduler, outputs, [*long, *first, 5, 6]) == [(second, 0)]
    forget_all(scheduler)
    assert answer(engine, scheduler, outputs, long[:200]) == [(third, 0)]
    forget_all(scheduler)
    engine.close()

    assert on == 600 + len(first) - 1
    assert back == 0
