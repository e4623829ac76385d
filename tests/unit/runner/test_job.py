"""What an asker hears of the tokens of their answer."""

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import ChosenToken, Finished, Sampling, Started, TextDelta, TokenChoice
from lmctl.runner.echo import END, EchoEngine, Script
from lmctl.runner.job import Job
from lmctl.runner.port import Sampled
from lmctl.runner.text import TextAssembler

ENGINE = EchoEngine(Script(), LoadSettings())


def word(text):
    token = int.from_bytes(b"\x01" + text.encode())
    return Sampled(token, ChosenToken(TokenChoice(token, text.encode(), -0.5)))


def job(*, stop=(), **more):
    given = {"prompt": [300, 301], "sampling": Sampling(), "max_tokens": None, "deadline": 60.0}
    return Job("id", text=TextAssembler(stop), **given | more)


def told(asked, *words):
    return asked.accept([word(each) for each in words], ENGINE, 0.0)


def pieces(events):
    return [
        (event.text, [token.chosen.piece.decode() for token in event.tokens])
        for event in events
        if isinstance(event, TextDelta)
    ]


def test_several_tokens_of_one_step_are_told_in_order():
    events = told(job(), "a ", "b ", "c")

    assert isinstance(events[0], Started)
    assert pieces(events) == [("a ", ["a "]), ("b ", ["b "]), ("c", ["c"])]


def test_what_comes_after_the_end_is_not_taken():
    asked = job()

    events = asked.accept([word("a"), Sampled(END), word("b")], ENGINE, 0.0)

    assert pieces(events) == [("a", ["a"])]
    assert events[-1].usage.completion_tokens == 1


def test_tokens_come_with_the_text_they_were_held_back_with():
    asked = job(stop=["xyz"])

    assert pieces(told(asked, "a x")) == [("a ", ["a x"])]
    assert pieces(told(asked, "y")) == []
    assert pieces(told(asked, "!")) == [("xy!", ["y", "!"])]


def test_no_token_of_a_stop_string_is_told():
    asked = job(stop=["xyz"])
    told(asked, "a")

    events = told(asked, "b x", "y", "z and more")

    assert pieces(events) == [("b ", ["b x"])]
    assert events[-1].stop_string == "xyz"


def test_an_answer_ends_when_its_constraint_says_so():
    class Once:
        ended = True
        trouble = None

        def begin(self):
            pass

    [_, shown, end] = told(job(matcher=Once()), "a", "b")

    assert shown.text == "a"
    assert isinstance(end, Finished)
    assert end.reason == "stop"
