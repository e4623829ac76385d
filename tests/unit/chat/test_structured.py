"""What an answer is held to, by the kinds of constraint."""

import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Grammar, JsonDocument, OneOf, Pattern
from tests.support.grammars import allows

SHAPE = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TAGGED = {
    "$defs": {
        "Cat": {
            "type": "object",
            "properties": {"kind": {"const": "cat"}, "friend": {"$ref": "#"}},
            "required": ["kind"],
        },
        "Dog": {
            "type": "object",
            "properties": {"kind": {"const": "dog"}, "age": {"type": "integer"}},
            "required": ["kind"],
        },
    },
    "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
    "discriminator": {"propertyName": "kind"},
}


@pytest.mark.parametrize(
    ("schema", "right", "wrong"),
    [
        (SHAPE, ['{"a":1}', '{"a": 1,\n  "b": "x"}'], ['{"a":"1"}', "{}", '{"a":1} ', "[1]"]),
        (SHAPE, ['{"a":-0}'], ['{"a":1,"a":"x"}', '{"a":1,"\\u0061":"x"}', '{"a":  1}']),
        (None, ["{}", '{"a": [1, null, {"b": true}]}'], ["[]", "1", '"x"', "{1: 2}"]),
        (True, ["null", "[]", '"x"'], ["nul", "'x'"]),
        ({"type": "integer", "minimum": 3, "maximum": 120}, ["3", "99", "120"], ["2", "121", "3.5"]),
        ({"type": "number", "exclusiveMinimum": 0, "maximum": 1}, ["0.1", "1"], ["0", "1.01"]),
        ({"type": "integer", "multipleOf": 5}, ["10", "-15"], ["3"]),
        ({"type": "string", "minLength": 2, "maxLength": 3}, ['"né"', '"abc"'], ['"a"', '"abcd"']),
        ({"type": "string", "pattern": "^[A-Z]{2}-\\d+$"}, ['"AB-12"'], ['"AB-"', '"xAB-1"']),
        ({"enum": ["red", 5, None, {"x": [1]}]}, ['"red"', "5", "null", '{"x":[1]}'], ['"blue"']),
        ({"const": "a"}, ['"a"'], ['"b"']),
        ({"type": ["string", "null"]}, ['"x"', "null"], ["1"]),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
            ["[1]", "[1, 2]"],
            ["[]", "[1,2,3]"],
        ),
        ({"prefixItems": [{"const": 1}, {"const": 2}], "items": False}, ["[1,2]"], ["[2]", "[1,2,3]"]),
        (
            {"type": "object", "properties": {"a": True}, "additionalProperties": False},
            ["{}", '{"a":null}'],
            ['{"b":1}'],
        ),
        (
            {"type": "object", "additionalProperties": {"type": "boolean"}},
            ['{"x":true}'],
            ['{"x":1}'],
        ),
        (
            {"type": "object", "patternProperties": {"^n": {"type": "integer"}}},
            ['{"nx":1}', '{"x":"y"}'],
            ['{"nx":"y"}'],
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}, ["1", "true"], ['"x"']),
        ({"allOf": [{"minimum": 3}, {"maximum": 4, "type": "integer"}]}, ["3", "4"], ["2", "5"]),
        (
            TAGGED,
            ['{"kind":"dog","age":3}', '{"kind":"cat","friend":{"kind":"dog"}}'],
            ['{"kind":"cow"}', '{"kind":"cat","friend":1}'],
        ),
        ({"components": {"x": {"type": "null"}}, "$ref": "#/components/x"}, ["null"], ["1"]),
        (
            {"$defs": {"a/b": {"type": "null"}}, "$ref": "#/$defs/a~1b", "title": "x"},
            ["null"],
            ["1"],
        ),
        ({"uniqueItems": False, "type": "array"}, ["[1,1]"], []),
        ({"type": "string", "format": "password"}, ['"x"'], ["1"]),
        ({"x-guidance": {"lenient": True}, "type": "null"}, ["null"], ["1"]),
    ],
)  # fmt: skip
def test_a_document_is_held_to_its_schema(schema, right, wrong):
    assert [text for text in right if not allows(JsonDocument(schema), text)] == []
    assert [text for text in wrong if allows(JsonDocument(schema), text)] == []


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("date", ["2024-02-29", "2000-02-29"], ["2023-02-29", "1900-02-29", "2024-04-31"]),
        ("time", ["23:59:59Z", "10:00:00.5+01:00"], ["24:00:00Z", "10:00:60Z", "10:00"]),
        ("date-time", ["2024-02-29T10:00:00Z"], ["2024-02-30T10:00:00Z", "2024-02-29"]),
        ("uuid", ["123e4567-e89b-12d3-a456-426614174000"], ["123e4567"]),
        ("ipv4", ["10.0.0.255"], ["10.0.0.256"]),
        ("email", ["a@b.co"], ["a.b.co"]),
    ],
)
def test_a_format_is_kept_and_beside_a_pattern_too(name, right, wrong):
    plain = JsonDocument({"type": "string", "format": name})
    beside = JsonDocument({"type": ["string", "null"], "format": name, "pattern": "^[0-9a-f]"})

    assert [text for text in right if not allows(plain, f'"{text}"')] == []
    assert [text for text in right if not allows(beside, f'"{text}"')] == []
    assert [text for text in wrong if allows(plain, f'"{text}"')] == []
    assert allows(beside, "null")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"properties": {"a/b": {"not": {}}}}, "`/properties/a~1b/not` is not supported"),
        ({"items": {"if": {}}}, "`/items/if` is not supported; `anyOf` can"),
        ({"uniqueItems": True}, "`/uniqueItems` is not supported"),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"contains": {}}}}, "`/$defs/A/contains` is not"),
        ({"$ref": "#/$defs/B"}, "`/$ref` leads to nothing in this schema: `#/$defs/B`"),
        ({"$ref": "https://x.y/z"}, "`/$ref` should be a reference within this schema"),
        ({"type": "strin"}, "`/type` should be one or several of array, boolean, "),
        ({"items": 5}, "`/items` should be a schema"),
        ({"minLength": -1}, "`/minLength` should be a whole number, at least 0"),
        ({"required": "a"}, "`/required` should be a list of names"),
        ({"format": "iri"}, "`/format` `iri` is not supported"),
        ({"const": 2**60}, "`/const` has a control character, or a whole number beyond 2^53"),
        ({"enum": ["\x01"]}, "`/enum` has a control character"),
        ({"maximum": 2**60}, "`/maximum` is beyond 2^53"),
        ({"multipleOf": 999983}, "`/multipleOf` makes a common multiple too large"),
        ({"minProperties": 2}, "`/minProperties` is more than one beyond `required`"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "`/oneOf` options 0 and 1 are not"),
        ({"anyOf": [{"type": "null"}, {"pattern": "(?=a)b"}]}, "`/anyOf/1/pattern`: look-around"),
        ({"properties": {"a": {"pattern": "(a"}}}, "`/properties/a/pattern`: unclosed group"),
        (
            {"$defs": {"N": {"type": "integer", "minimum": 5, "maximum": 3}},
             "type": "object", "properties": {"n": {"$ref": "#/$defs/N"}}, "required": ["n"]},
            "`/$defs/N/minimum`: Unsatisfiable schema: minimum (5) is greater than maximum (3)",
        ),
        (False, "`/`: Unsatisfiable schema"),
    ],
)  # fmt: skip
def test_what_a_schema_asks_too_much_is_told_with_its_place(schema, words):
    with pytest.raises(BadRequest) as caught:
        allows(JsonDocument(schema), "")

    assert words in str(caught.value)
    assert caught.value.param == "response_format"


def test_several_problems_are_told_at_once():
    schema = {"properties": {name: {"not": {}} for name in "abcdefg"}}

    with pytest.raises(BadRequest, match=r"a/not.*b/not.*e/not.*and 2 more"):
        allows(JsonDocument(schema), "")


def nested(levels):
    schema = {"type": "null"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


def chain(length):
    links = {f"d{n}": nested(20) | {"items": {"$ref": f"#/$defs/d{n + 1}"}} for n in range(length)}
    for link in links.values():
        link["prefixItems"] = [nested(40)]
    return {"$defs": links | {f"d{length}": {"type": "null"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    ("constraint", "words"),
    [
        (JsonDocument(nested(500)), "nested deeper than 100 levels"),
        (JsonDocument(chain(200)), "together they nest too deeply"),
        (JsonDocument({"enum": ["x" * 300_000]}), "at most 262144 are taken"),
        (
            JsonDocument({"patternProperties": {f"^{n}x$": {} for n in range(101)}}),
            "more than 100 patterns",
        ),
        (
            JsonDocument({"allOf": [{"anyOf": [{"minimum": n * m} for n in range(10)]} for m in range(9)]}),
            "schema too large",
        ),
        (Pattern("a" * 40_000), "the regex has 40000 characters"),
        (Pattern("(" * 1000 + "a" + ")" * 1000), "nest"),
        (Grammar("root ::= " + "(" * 100 + '"a"' + ")" * 100), "groups in each other"),
        (Grammar("start: " + "(" * 10_000 + '"a"' + ")" * 10_000, "lark"), "nested"),
        (OneOf(("x" * 40_000,)), "at most 32768"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_would_take_too_much_is_refused(constraint, words):
    with pytest.raises(BadRequest, match=words):
        allows(constraint, "")


@pytest.mark.timeout(60)
def test_what_never_ends_is_refused_or_at_least_not_followed_for_ever():
    link = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}

    with pytest.raises(BadRequest, match="no document is ever complete"):
        allows(JsonDocument(link), "")
    assert not allows(Grammar('start: A B start?\nA: "a" "b"*\nB: "b"', "lark"), "abbb")
    ending = link | {"properties": {"next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}}
    assert allows(JsonDocument(ending), '{"next":{"next":null}}')


def test_the_whole_answer_matches_a_pattern():
    pattern = Pattern(r"^(yes|no), \d{2}/[a-z]+$")

    assert allows(pattern, "no, 42/abc")
    assert not allows(pattern, "no, 4/abc")
    assert not allows(pattern, "maybe no, 42/abc")
    assert not allows(Pattern(r"\d"), "٣")


@pytest.mark.parametrize("regex", ["(", "(?=a)b", r"\bfoo"])
def test_a_bad_pattern_is_told(regex):
    with pytest.raises(BadRequest) as caught:
        allows(Pattern(regex), "")

    assert caught.value.param == "regex"


def test_a_choice_is_one_of_its_texts():
    choices = OneOf(("a", "ab", 'say "é😀"\n', ""))

    assert all(allows(choices, text) for text in choices.choices)
    assert not allows(choices, "abc")
    with pytest.raises(BadRequest, match="at least one"):
        allows(OneOf(()), "")


def test_a_lark_grammar_is_followed_and_its_faults_are_placed():
    grammar = 'start: "say " thing\nthing: WORD | %json {"type": "integer"}\nWORD: /[a-z]+/\n'

    assert allows(Grammar(grammar, "lark"), "say hello")
    assert allows(Grammar(grammar, "lark"), "say 5")
    assert not allows(Grammar(grammar, "lark"), "say !")
    with pytest.raises(BadRequest, match="`/not` is not supported"):
        allows(Grammar('start: %json {"not": {}} "x"', "lark"), "")
    with pytest.raises(BadRequest, match=r'line 2, column 4: unknown name: "b"'):
        allows(Grammar("start: a\na: b", "lark"), "")
