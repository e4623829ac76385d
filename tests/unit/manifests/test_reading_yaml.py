"""Text to values with places: YAML 1.2, JSON through the same door, limits."""

import pytest

from lmctl.base.diagnostics import Place
from lmctl.manifests.yaml_source import parse


def only(text: str, file: str = "a.yaml"):
    parsed = parse(file, text.encode())
    assert parsed.diagnostics == ()
    (document,) = parsed.documents
    return document


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("no", "no"),
        ("off", "off"),
        ("12:30", "12:30"),
        ("2024-01-31", "2024-01-31"),
        ("010", 10),
        ("0o10", 8),
        ("0x1F", 31),
        ("-7", -7),
        ("+7", 7),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("1_000", "1_000"),
        ("-", "-"),
        ("0.1.2", "0.1.2"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("'true'", "true"),
        ('"1"', "1"),
        ("!!str 1", "1"),
        ("! 1", "1"),
    ],
)
def test_plain_words_mean_what_yaml_1_2_says(word, value):
    found = only(f"a: [{word}]").value["a"][0]
    assert found == value
    assert type(found) is type(value)


def test_every_value_and_key_knows_its_line_and_column():
    document = only("a:\n  - b: 1\n    c: x\n")

    assert document.place(("a", 0, "c")) == Place("a.yaml", 3, 8)
    assert document.key_place(("a", 0, "c")) == Place("a.yaml", 3, 5)
    assert document.place(("a", 0)) == Place("a.yaml", 2, 5)


def test_a_path_that_is_not_there_is_found_at_its_nearest_parent():
    document = only("a:\n  b: 1\n")

    assert document.place(("a", "missing", 3)) == Place("a.yaml", 2, 3)
    assert document.key_place(("nothing",)) == Place("a.yaml", 1, 1)


def test_columns_count_characters_not_bytes():
    assert only("{é: 1, b: 2}").key_place(("b",)) == Place("a.yaml", 1, 8)


def test_a_utf_8_mark_is_no_part_of_the_text():
    parsed = parse("a.yaml", b"\xef\xbb\xbfa: 1\n")

    assert parsed.documents[0].value == {"a": 1}
    assert parsed.documents[0].key_place(("a",)) == Place("a.yaml", 1, 1)


def test_windows_line_ends_are_line_ends():
    assert only("a: 1\r\nb: 2\r\n").key_place(("b",)) == Place("a.yaml", 2, 1)


def test_several_documents_keep_their_places_and_empty_ones_do_not_count():
    parsed = parse("a.yaml", b"---\n---\na: 1\n---\nb: 2\n")

    assert [each.value for each in parsed.documents] == [{"a": 1}, {"b": 2}]
    assert parsed.documents[1].key_place(("b",)) == Place("a.yaml", 5, 1)


def test_a_problem_in_one_document_leaves_the_ones_before_readable():
    parsed = parse("a.yaml", b"a: 1\n---\nb: [\n")

    assert [each.value for each in parsed.documents] == [{"a": 1}]
    assert len(parsed.diagnostics) == 1


def test_aliases_share_the_value_and_are_found_at_the_alias():
    document = only("a: &x {b: 1}\nc: *x\n")

    assert document.value == {"a": {"b": 1}, "c": {"b": 1}}
    assert document.place(("c", "b")) == Place("a.yaml", 2, 4)


def test_a_scalar_can_be_anchored_too():
    assert only("a: &x 5\nb: *x\n").value == {"a": 5, "b": 5}


def test_merged_keys_give_way_to_keys_in_place_and_to_earlier_sources():
    text = "x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nz:\n  <<: [*x, *y]\n  a: 0\n"

    assert only(text).value["z"] == {"a": 0, "b": 1, "c": 2}


def test_quoted_merge_mark_is_a_name():
    """A JSON file may have any key."""
    parsed = parse("a.yaml", b'{"<<": {"a": 1}}')

    assert parsed.documents[0].value == {"<<": {"a": 1}}


def test_json_may_have_tabs_and_escaped_pairs():
    document = only('\t{\n\t"a":\t"\\ud83d\\ude00",\n\t"b":1,"c":"\\/"}\n', "mcp.json")

    assert document.value == {"a": "\U0001f600", "b": 1, "c": "/"}
    assert document.key_place(("b",)) == Place("mcp.json", 3, 2)


def test_an_escaped_backslash_before_u_is_no_pair():
    assert only('{"a": "\\\\ud83d\\\\ude00"}', "mcp.json").value == {"a": "\\ud83d\\ude00"}


@pytest.mark.parametrize("aliases", [1, 50])
def test_aliases_count_with_all_that_is_below_them(aliases):
    """200 values used 50 times are 10,000 more: one too many."""
    text = "a: &a [" + ",".join("1" * 200) + "]\nb: [" + ",".join(["*a"] * aliases) + "]\n"

    assert bool(parse("a.yaml", text.encode()).diagnostics) is (aliases == 50)


def test_a_parser_that_stops_reading_early_says_where():
    """The C parser's own complaints about characters cannot be reached past our own check."""
    found = parse("a.yaml", "a: \x85\x7f".encode()).diagnostics

    assert found[0].message == "control character U+007F in the text"


@pytest.mark.parametrize(
    ("key", "kind"), [(".inf", "a number"), ("1.5", "a number"), ("~", "null"), ("yes", None)]
)
def test_a_key_that_is_no_text_is_told_what_it_is(key, kind):
    found = [each.message for each in parse("a.yaml", f"{key}: 1\n".encode()).diagnostics]

    assert found == ([f"the key `{key}` is {kind}, expected text"] if kind else [])
