from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.runner.drafting import Ask
from lmctl.runner.port import Bell
from lmctl.runner.prompt_lookup import GRAM, INDEXED_AT_ONCE, PromptLookup


def guess(lookup, tokens, most=8, sequence=0):
    [found] = lookup.draft([Ask(sequence, tokens, most)], Bell())
    return found


def test_it_goes_on_as_the_text_went_on_before():
    assert guess(PromptLookup(), [1, 2, 3, 4, 5, 6, 7, 1, 2, 3]) == [4, 5, 6, 7, 1, 2]


def test_of_several_places_the_one_that_agrees_longest_counts():
    tokens = [9, 8, 1, 2, 3, 40, 0, 0, 7, 7, 1, 2, 3, 50, 0, 0, 8, 1, 2, 3]

    assert guess(PromptLookup(), tokens, most=1) == [40]


def test_of_equal_places_the_last_counts():
    tokens = [1, 2, 3, 40, 0, 1, 2, 3, 50, 0, 1, 2, 3]

    assert guess(PromptLookup(), tokens, most=1) == [50]


def test_a_repetition_goes_on_past_the_end():
    assert guess(PromptLookup(), [1, 2] * 20, most=7) == [1, 2, 1, 2, 1, 2, 1]


def test_there_is_no_guess_without_an_earlier_place():
    lookup = PromptLookup()

    assert [guess(lookup, list(range(size))) for size in range(8)] == [[]] * 8


def test_a_long_prompt_is_indexed_in_pieces():
    lookup = PromptLookup()
    begin = list(range(INDEXED_AT_ONCE + 10))
    late = [*begin, 1, 2, 3, *range(-9, 0), -9, -8, -7]

    assert guess(lookup, late, most=1) == []
    assert guess(lookup, late, most=1) == [-6]


def test_a_sequence_that_was_changed_is_indexed_anew():
    lookup = PromptLookup()
    guess(lookup, [1, 2, 3, 4, 5, 6, 7, 8, 9])

    assert guess(lookup, [5, 6, 7, 0, 5, 6, 7], most=1) == [0]


def test_a_forgotten_sequence_is_not_looked_up_in():
    lookup = PromptLookup()
    guess(lookup, [1, 2, 3, 4, 5, 6])
    lookup.forget(0)

    assert guess(lookup, [5, 6, 7, 1, 2, 3]) == []


@settings(deadline=None)  # a loaded machine is slow
@given(seed=st.integers(), size=st.integers(GRAM, 200), kinds=st.integers(2, 6))
def test_a_guess_is_what_followed_the_same_tokens(seed, size, kinds):
    """Compared with a plain search, while the sequence grows as answers do."""
    tokens = [Random(seed + n).randrange(kinds) for n in range(size)]
    lookup = PromptLookup()

    for end in range(GRAM + 1, size):
        found = guess(lookup, tokens[:end], most=1)
        tail = tokens[end - GRAM : end]
        places = [n for n in range(GRAM, end) if tokens[n - GRAM : n] == tail]
        assert bool(found) == bool(places)
        assert not found or found[0] in {tokens[n] for n in places}
