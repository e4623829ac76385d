"""The echo engine keeps to the port: what it says shows what each sequence has read."""

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.base.talk import Sampling
from lmctl.runner.echo import END, EchoEngine, Script
from lmctl.runner.port import Bell, Feed, Full


def engine(reply=None, **settings):
    return EchoEngine(
        Script(reply=reply, bytes_per_token=1), LoadSettings(**{"parallel": 2} | settings)
    )


def tokens(text):
    return [256 + byte for byte in text.encode()]


def say(echo, sequence, fed, *, wants=1):
    """Feed one sequence; return the text of what was chosen."""
    [found] = echo.step([Feed(sequence, fed, wants)], Bell())
    return "".join(echo.piece(each.token).decode() for each in found)


def answer(echo, sequence, fed):
    """Feed a sequence and let it answer to the end."""
    said = ""
    while piece := say(echo, sequence, fed):
        said, fed = said + piece, tokens(piece)
    return said


class Only:
    """Allows some tokens, and remembers what was chosen."""

    ended = False
    trouble = None

    def __init__(self, *allowed):
        bits = sum(1 << token for token in allowed)
        self._mask = bits.to_bytes(64, "little")
        self.accepted = []

    def mask(self):
        return memoryview(self._mask).cast("I")

    def accept(self, token):
        self.accepted.append(token)
        return token


def test_a_copy_has_read_the_same_and_goes_its_own_way():
    echo = engine()
    echo.begin(0, Sampling(), tokens("abc"))
    assert say(echo, 0, tokens("abc"), wants=0) == ""

    echo.copy(0, 1)
    echo.begin(1, Sampling(), tokens("abcd"))

    assert answer(echo, 1, tokens("d")) == "abcd"
    assert answer(echo, 0, tokens("z")) == "abcz"


def test_what_is_cut_was_never_read():
    echo = engine()
    echo.begin(0, Sampling(), tokens("abx"))
    say(echo, 0, tokens("abc"), wants=0)

    echo.cut(0, 2)

    assert answer(echo, 0, tokens("x")) == "abx"


def test_a_shift_drops_from_the_middle():
    echo = engine()
    echo.begin(0, Sampling(), tokens("abcdef"))
    say(echo, 0, tokens("abcde"), wants=0)

    echo.shift(0, keep=1, discard=2)

    assert answer(echo, 0, tokens("f")) == "adef"


@pytest.mark.parametrize(
    ("guess", "said"),
    [("abc", "abcd"), ("abx", "abc"), ("xbc", "a"), ("", "a")],
    ids=["all right", "the last wrong", "the first wrong", "nothing guessed"],
)
def test_choosing_stops_behind_the_first_wrong_guess(guess, said):
    echo = engine(reply="abcdef")
    echo.begin(0, Sampling(), tokens("go"))

    assert say(echo, 0, tokens("go" + guess), wants=1 + len(guess)) == said


def test_a_matcher_has_its_way_and_hears_what_was_chosen():
    a, b = tokens("ab")
    echo = engine(reply="axb")
    matcher = Only(a, b)
    echo.begin(0, Sampling(), tokens("go"), matcher=matcher)

    assert [say(echo, 0, tokens("o")) for _ in range(3)] == ["a", "a", "b"]
    assert matcher.accepted == [a, a, b]


def test_an_echo_is_certain_of_every_token():
    echo = engine(reply="a")
    echo.begin(0, Sampling(), tokens("go"), logprobs=3)

    [[first]] = echo.step([Feed(0, tokens("go"), 1)], Bell())

    assert (first.chosen.chosen.piece, first.chosen.chosen.logprob) == (b"a", 0.0)
    assert first.chosen.likeliest == (first.chosen.chosen,)


@pytest.mark.parametrize(("shared", "room"), [(False, True), (True, False)])
def test_a_shared_budget_is_one_for_all_sequences(shared, room):
    echo = engine(reply="", unified_kv=shared, context_length=8)
    for sequence in (0, 1):
        echo.begin(sequence, Sampling(), tokens("abcde"))
    say(echo, 0, tokens("abcde"), wants=0)

    if room:
        assert say(echo, 1, tokens("abcde")) == ""
    else:
        with pytest.raises(Full):
            say(echo, 1, tokens("abcde"))


def test_the_end_is_a_token_without_text():
    echo = engine()

    assert echo.is_end(END)
    assert echo.piece(END) == b""
