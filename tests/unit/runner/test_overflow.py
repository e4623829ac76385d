"""A conversation that outgrows its context goes on without its middle, or stops and says so."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.base.errors import BadRequest
from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Call, Chat, Message, Prompt
from lmctl.runner import prompting
from lmctl.runner.constraining import Constraining
from lmctl.runner.echo import EchoEngine, Script
from lmctl.runner.overflow import shortened
from tests.support.scheduling import Watched, World

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTEXT = 64


def words(name, count):
    return "".join(f"{name}{n} " for n in range(count))


CHAT = Chat(
    (
        Message("system", words("s", 5)),
        Message("user", words("first", 5)),
        *(
            Message(role, words(f"{role[0]}{n}", 10))
            for n in range(4)
            for role in ("assistant", "user")
        ),
        Message("assistant", words("x", 3)),
        Message("user", words("last", 5)),
    )
)


def prepare(asked, overflow, *, context=CONTEXT, max_tokens=None, script=None):
    engine = EchoEngine(script or Script(), LoadSettings(context_length=context))
    call = Call("1", asked, overflow=overflow, max_tokens=max_tokens)
    job = prompting.prepare(
        engine,
        call,
        constraining=Constraining(engine),
        load=LoadSettings(),
        now=NOW,
        deadline=0.0,
    )
    return job, b"".join(map(engine.piece, job.prompt)).decode()


def test_the_middle_goes_and_the_system_prompt_and_the_first_question_stay():
    job, text = prepare(CHAT, "truncateMiddle")

    assert text.startswith(f"<|begin|><|system|>{words('s', 5)}<|end|><|user|>{words('first', 5)}")
    assert text.endswith(f"<|user|>{words('last', 5)}<|end|><|assistant|>")
    assert "a00 " not in text
    assert len(job.prompt) < CONTEXT
    assert job.keep == 16  # the markers of both and of the assistant who comes next count


def test_a_rolling_window_keeps_the_system_prompt_only():
    job, text = prepare(CHAT, "rollingWindow")

    assert text.startswith(f"<|begin|><|system|>{words('s', 5)}<|end|>")
    assert "first" not in text
    assert text.endswith(f"<|user|>{words('last', 5)}<|end|><|assistant|>")
    assert job.keep == 8


def test_a_template_that_wants_a_question_keeps_the_begin_only():
    template = "{% if not messages[-1:][0].role == 'user' %}{{ raise_exception('no') }}{% endif %}"
    body = "{% for m in messages %}{{ m.content }}{% endfor %}"

    job, text = prepare(CHAT, "rollingWindow", script=Script(chat_template=template + body))

    assert job.keep == 1
    assert text.endswith(words("last", 5))


def test_a_prompt_that_fits_is_left_alone():
    job, _ = prepare(Prompt(words("w", 40)), "truncateMiddle", max_tokens=10)

    assert len(job.prompt) == 41
    assert job.keep is None  # it cannot outgrow the context


def test_of_a_raw_prompt_the_first_half_and_the_end_stay():
    job, text = prepare(Prompt(words("w", 100)), "truncateMiddle")

    assert job.keep == CONTEXT // 2
    assert text.startswith("<|begin|>" + words("w", CONTEXT // 2 - 1))
    assert text.endswith("w98 w99 ")


def test_a_prompt_that_is_too_long_is_refused_where_nothing_may_go():
    with pytest.raises(BadRequest, match="no room for an answer") as caught:
        prepare(CHAT, "stopAtLimit")

    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize("overflow", ["stopAtLimit", "truncateMiddle", "rollingWindow"])
def test_an_empty_prompt_is_refused_whatever_the_policy(overflow):
    engine = EchoEngine(Script(), LoadSettings())
    engine.facts = type(engine.facts)(
        **{name: getattr(engine.facts, name) for name in engine.facts.__slots__}
        | {"adds_bos": False}
    )
    call = Call("1", Prompt(""), overflow=overflow)

    with pytest.raises(BadRequest, match="empty"):
        prompting.prepare(
            engine,
            call,
            constraining=Constraining(engine),
            load=LoadSettings(),
            now=NOW,
            deadline=0.0,
        )


@given(st.integers(4, 300), st.data())
def test_what_is_left_fits_with_its_begin_and_its_end(context, data):
    keep = data.draw(st.integers(1, context // 2))
    tokens = list(range(data.draw(st.integers(context, 4 * context))))

    left = shortened(tokens, keep, context=context)

    assert left[:keep] == tokens[:keep]
    assert left[keep:] == tokens[len(tokens) - (len(left) - keep) :]
    assert keep < len(left) < context
    assert context // 2 <= len(left) + 1


def test_the_next_turn_is_cut_at_the_same_place():
    cuts = {shortened(list(range(size)), 10, context=1000)[10] for size in range(1000, 1200)}

    assert len(cuts) == 1


class Unmoving(Watched):
    """Its tokens cannot move."""

    def __init__(self, script, **settings):
        super().__init__(script, **settings)
        self.facts = type(self.facts)(
            **{name: getattr(self.facts, name) for name in self.facts.__slots__}
            | {"can_shift": False}
        )


class Windowed(Unmoving):
    """Nor can it be cut back far."""

    def cuttable(self, sequence):
        return max(0, len(self._read[sequence]) - 8)


@pytest.mark.parametrize("engine", [Watched, Unmoving, Windowed])
def test_an_answer_longer_than_the_context_goes_on(engine):
    reply = words("r", 100)
    world = World(Script(reply=reply), engine=engine, parallel=2, context_length=32)
    long, other = world.submit("go on ", keep=2), world.submit("b ", keep=1)
    most = []
    world.on_turn = lambda _turn: most.append(max(map(len, world.engine._read.values())))

    world.scheduler.run()

    assert (world.text(long), world.text(other)) == (reply, reply)
    assert 25 < max(most) <= 32
    assert world.told(long)[-1].reason == "stop"
    assert long.tokens[:2] == long.prompt


def test_what_was_moved_is_no_prefix_of_another_prompt():
    reply = words("r", 100)
    world = World(Script(reply=reply), parallel=1, context_length=64)
    prompt = words("p", 40)
    moved = world.submit(prompt, keep=20)
    world.scheduler.run()
    world.restart()
    again = world.submit(prompt, max_tokens=1)
    world.scheduler.run()

    assert world.text(moved) == reply
    assert world.usage(again).cached_tokens == 20


def test_an_answer_that_fills_the_context_says_so():
    world = World(Script(reply=words("r", 100)), parallel=2, context_length=32)
    full, long = world.submit("a b "), world.submit("a b ", max_tokens=5)

    world.scheduler.run()

    ends = [world.told(job)[-1] for job in (full, long)]
    assert [(end.reason, end.context_full) for end in ends] == [("length", True), ("length", False)]
    assert ends[0].usage.completion_tokens == 30


def test_who_asks_hears_how_far_their_prompt_is_read():
    world = World(Script(reply="ok"), parallel=1, physical_batch_size=40)
    job = world.submit(words("p", 100), progress=True)

    world.scheduler.run()

    told = [(each.done, each.total) for each in world.told(job)[:3]]
    assert told == [(40, 100), (80, 100), (100, 100)]
    assert type(world.told(job)[3]).__name__ == "Started"
