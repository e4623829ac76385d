import itertools

from hypothesis import given
from hypothesis import strategies as st

from lmctl.runner.text import Shown, TextAssembler

LETTERS = st.text("abé🙂", max_size=12)
STOPS = st.lists(st.text("abé🙂", min_size=1, max_size=3), max_size=3)


def assemble(text, stops, cuts):
    """Push the bytes of a text cut at those places; return all that is shown, and the stop."""
    assembler = TextAssembler(stops)
    raw = text.encode()
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    shown = ""
    for begin, end in itertools.pairwise(edges):
        part = assembler.push(raw[begin:end])
        shown += part.text
        if part.stop is not None:
            return shown, part.stop
    return shown + assembler.finish(), None


def cut_by_first_stop(text, stops):
    """Say the same without streams: read character by character until some stop is complete."""
    for end in range(len(text) + 1):
        done = [stop for stop in stops if text[:end].endswith(stop)]
        if done:
            longest = max(done, key=len)
            return text[: end - len(longest)], longest
    return text, None


@given(LETTERS, STOPS, st.lists(st.integers(0, 60), max_size=6))
def test_what_is_shown_does_not_depend_on_how_the_bytes_were_cut(text, stops, cuts):
    assert assemble(text, stops, cuts) == cut_by_first_stop(text, stops)


@given(LETTERS, st.lists(st.integers(0, 60), max_size=6))
def test_without_stops_nothing_but_half_characters_waits(text, cuts):
    assembler = TextAssembler()
    raw = text.encode()
    edges = [0, *sorted(cut % (len(raw) + 1) for cut in cuts), len(raw)]
    shown = ""
    for begin, end in itertools.pairwise(edges):
        shown += assembler.push(raw[begin:end]).text
        assert shown == raw[:end].decode(errors="ignore")


def test_the_beginning_of_a_stop_string_waits_and_comes_when_it_is_none():
    assembler = TextAssembler(["STOP"])

    assert assembler.push(b"go ST") == Shown("go ")
    assert assembler.push(b"ART") == Shown("START")


def test_half_a_character_at_the_end_is_left_out():
    assembler = TextAssembler()

    assert assembler.push("é".encode()[:1]) == Shown("")
    assert assembler.finish() == ""


def test_bytes_that_are_no_text_show_as_replacement_characters():
    assert TextAssembler().push(b"a\xffb") == Shown("a\ufffdb")


def test_empty_stop_strings_mean_nothing():
    assert TextAssembler([""]).push(b"abc") == Shown("abc")
