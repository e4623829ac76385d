"""GBNF grammars: what they allow, and how their faults are told."""

import pytest

from lmctl.base.errors import BadRequest
from lmctl.base.talk import Grammar
from tests.support.grammars import allows

LIST = 'root ::= item+\nitem ::= "- " [^\\r\\n\\x0b]+ "\\n"\n'
SUM = """
# sums of numbers
root  ::= (expr "=" ws term "\\n")+
expr  ::= term ([-+*/] term)*
term  ::= ident | num | "(" ws expr ")" ws
ident ::= [a-z] [a-z0-9_]* ws
num   ::= [0-9]+ ws
ws    ::= [ \\t\\n]*
"""


@pytest.mark.parametrize(
    ("grammar", "right", "wrong"),
    [
        (LIST, ["- a\n", "- é😀 b\n- c\n"], ["a\n", "- \n", "- a"]),
        (SUM, ["1+2=3\n", "(a *b) -c= 9\n"], ["1+=3\n", "1+2\n", "(a=1\n"]),
        ('root ::= ("a" | "ab") "bc"', ["abc", "abbc"], ["ab", "abb"]),
        ('root ::= [a-z]* "ab" [0-9]?', ["ab", "zabab", "abab1"], ["a", "ab12"]),
        ('root ::= "(" root ")" | ("x" | "xx") "xy"', ["xxy", "((xxxy))"], ["(xxy", "xy"]),
        ('root ::= a\na ::= "x" |\n  "y" # or\n\n', ["x", "y"], ["", "xy"]),
        ('root ::= ("a"\n  "b")?', ["", "ab"], ["a"]),
        ('root ::= "a"{2} "b"{1,} "c"{0,2}', ["aab", "aabbcc"], ["ab", "aabccc"]),
        ('root ::= "\\x41\\u00e9\\U0001F600\\\\\\""', ['Aé😀\\"'], ["A"]),
        ("root ::= [\\]a-] [^a-c^-] .", ["]dx", "-d\n"], ["ba.", "]-x", "]^x"]),
        ('root ::= "" | "a" root', ["", "aaa"], ["b"]),
        ("root ::= [ -~]", [" ", "~", "\\"], ["\n", "é"]),
    ],
)
def test_a_grammar_allows_what_it_says(grammar, right, wrong):
    assert [text for text in right if not allows(Grammar(grammar), text)] == []
    assert [text for text in wrong if allows(Grammar(grammar), text)] == []


@pytest.mark.parametrize(
    ("grammar", "words"),
    [
        ('root ::= "a', "line 1, column 10: a text is not closed"),
        ('root ::= "a"\nb ::= [a-', "line 2, column 7: a `[` is not closed"),
        ('root ::= ("a"', "line 1, column 10: a `(` is not closed"),
        ("root ::= a", "line 1, column 10: there is no rule `a`"),
        ('a ::= "b"', "line 1, column 1: there is no rule `root`"),
        ('root ::= "a"\nroot ::= "b"', "line 2, column 1: the rule `root` is there twice"),
        ('root = "a"', "line 1, column 6: expected `::=` after `root`"),
        ('root ::= "a" )', "line 1, column 14: unexpected `)`"),
        ('::= "a"', "line 1, column 1: expected a rule's name"),
        ("root ::= [z-a]", "line 1, column 14: a range ends before it begins"),
        ('root ::= "\\q"', r"line 1, column 11: `\q` is no escape"),
        ('root ::= "\\ud800"', "line 1, column 11: no character has this number"),
        ('root ::= "a"{5,3}', "line 1, column 13: the most is less than the least"),
        ('root ::= "a"{x}', "line 1, column 14: expected a number of repeats"),
        ('root ::= "a"{3', "line 1, column 15: expected `}`"),
        ('root ::= "a"{3000}', "more than 2000 repeats"),
        ("root ::= [^\\x00-\\U0010FFFF]", "line 1, column 10: no character is in this class"),
        ('root ::= "a" root', "calls itself without an end"),
        ("", "line 1, column 1: there is no rule `root`"),
    ],
)
def test_a_fault_is_told_with_line_and_column(grammar, words):
    with pytest.raises(BadRequest) as caught:
        allows(Grammar(grammar), "")

    assert words in str(caught.value)
    assert caught.value.param == "grammar"


def test_too_many_rules_are_refused():
    grammar = "\n".join(f'r{n} ::= "a"' for n in range(1001))

    with pytest.raises(BadRequest, match="more than 1000 rules"):
        allows(Grammar(grammar), "")
