"""However a grammar is cut into terminals, it allows the texts that GBNF says it does."""

import random

import pytest

from lmctl.base.talk import Grammar
from lmctl.chat.gbnf import Characters, Choice, Reference, Repeat, Sequence, parse
from lmctl.chat.gbnf_lark import to_lark
from tests.support.grammars import allows

JSON = r"""
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws ::= | " " | "\n" [ \t]{0,20}
"""


def ends(node, rules, text, begin, depth=0):
    """Return where in the text a node that begins there may end: what GBNF means, in plain Python."""
    if depth > 60:
        return set()
    match node:
        case Characters(ranges=ranges):
            there = text[begin : begin + 1]
            return {begin + 1} if there and any(a <= ord(there) <= b for a, b in ranges) else set()
        case Reference(name=name):
            return ends(rules[name], rules, text, begin, depth + 1)
        case Sequence(items=items):
            found = {begin}
            for each in items:
                found = {end for at in found for end in ends(each, rules, text, at, depth + 1)}
            return found
        case Choice(options=options):
            return {end for each in options for end in ends(each, rules, text, begin, depth + 1)}
        case Repeat(item=item, least=least, most=most):
            found = {begin} if least == 0 else set()
            here, count = {begin}, 0
            while here and count < (len(text) + least + 1 if most is None else most):
                count += 1
                here = {end for at in here for end in ends(item, rules, text, at, depth + 1)}
                fresh = here - found
                found |= here if count >= least else set()
                if count > least and not fresh:
                    break
            return found


def fits(grammar, text):
    rules = parse(grammar)
    return len(text) in ends(rules["root"], rules, text, 0)


def drawn(chance, depth, names):
    """Return a piece of a grammar over a, b and c, where what fits is seldom plain to see."""
    kind = chance.choice(["text", "class", "call", "many", "either", "row"][: 6 if depth else 3])
    match kind:
        case "text":
            return '"' + "".join(chance.choices("abc", k=chance.randint(1, 3))) + '"'
        case "class":
            return chance.choice(["[ab]", "[bc]", "[^a]", "[a-c]", "."])
        case "call":
            return chance.choice(names)
        case "many":
            return f"({drawn(chance, depth - 1, names)}){chance.choice(['*', '+', '?', '{1,2}'])}"
        case "either":
            return f"({drawn(chance, depth - 1, names)} | {drawn(chance, depth - 1, names)})"
        case "row":
            return f"{drawn(chance, depth - 1, names)} {drawn(chance, depth - 1, names)}"


@pytest.mark.parametrize(
    ("grammar", "right", "wrong"),
    [
        ('root ::= "(" root ")" | word word\nword ::= [ab]+', ["ab", "(aab)"], ["a", "(b)"]),
        ('root ::= "[" root "]" | item "b" root?\nitem ::= "a" "b"*', ["ab", "abbab"], ["a", "[a]"]),
        ('root ::= root "c" | "a" | "ab" | "bc"', ["ac", "abc", "bcc"], ["b", "ca"]),
        ('root ::= ("a" | "ab") tail\ntail ::= "bc" | "(" tail ")"', ["abc", "abbc", "ab(bc)"], ["ac"]),
    ],
)  # fmt: skip
def test_a_part_that_might_take_too_much_is_cut(grammar, right, wrong):
    assert [text for text in right if not allows(Grammar(grammar), text)] == []
    assert [text for text in wrong if allows(Grammar(grammar), text)] == []


@pytest.mark.parametrize("seed", range(60))
def test_a_drawn_grammar_allows_what_it_says(seed):
    chance = random.Random(seed)
    names = ["one", "two", "root"]
    grammar = "\n".join(
        [
            f'root ::= "(" {drawn(chance, 2, names)} ")" | {drawn(chance, 2, names[:2])}',
            f"one ::= {drawn(chance, 2, names[1:2])}",
            f"two ::= {drawn(chance, 1, ['[ab]'])}",
        ]
    )
    texts = {"".join(chance.choices("abc()", k=chance.randint(0, 6))) for _ in range(40)}
    texts |= {f"({text})" for text in list(texts)[:15]}

    wrong = [text for text in texts if allows(Grammar(grammar), text) != fits(grammar, text)]

    assert wrong == [], grammar


def test_texts_and_numbers_of_json_are_terminals_and_only_blanks_are_taken_one_by_one():
    lark = to_lark(JSON)

    assert allows(Grammar(JSON), '{"a": [1.5e3, true, {"b":\n  "x\\u00e9"}] }\n')
    assert not allows(Grammar(JSON), '{"a": 01}')
    assert not allows(Grammar(JSON), '{"a":  1}')
    assert r"\x{30}-\x{39}]/){0,15}" in lark
    assert len(lark.splitlines()) < 60
