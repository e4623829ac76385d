"""The one layout: it says the same, keeps every comment, and is the same twice."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from manifest_texts import FLEET

from lmctl.base.digests import canonical
from lmctl.manifests.bundle import read
from lmctl.manifests.yaml_format import formatted
from lmctl.manifests.yaml_source import parse
from tests.support.yaml_texts import Hand, mappings

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))
BROKEN = sorted((ROOT / "tests" / "golden" / "broken").rglob("*.*"))


def said(text: str) -> str:
    parsed = parse("x.yaml", text.encode())
    assert parsed.diagnostics == (), text
    return canonical([each.value for each in parsed.documents])


@st.composite
def hands(draw):
    documents = draw(st.lists(mappings, min_size=1, max_size=2))
    hand = Hand(draw(st.integers(0, 2**32)))
    text = "---\n".join(hand.document(each) for each in documents)
    return text, hand.comments, documents


@settings(max_examples=120, deadline=None)
@given(hands())
def test_any_hand_becomes_the_one_layout_and_says_the_same(made):
    text, comments, documents = made
    assert said(text) == canonical(documents)

    once = formatted("x.yaml", text)

    assert once is not None, text
    assert said(once) == canonical(documents)
    assert formatted("x.yaml", once) == once
    position = 0
    for each in comments:  # every one is there, in its order
        position = once.index(each, position) + len(each)
    assert "\n\n\n" not in once.replace("line\nbreak", "").replace("end\n\nmore", "")
    assert once.endswith("\n")
    assert not any(line.endswith(" ") for line in once.split("\n"))


def test_two_hands_of_the_same_layout_words_are_one():
    one = dedent("""\
        spec:
            checks:
            - prompt:   hi   # ask
              expect: { regex: "ok" }

            -   prompt: ho
            # done
        """)
    other = dedent("""\

        spec:
          checks:
              - prompt: hi # ask
                expect: {regex: "ok"}


              - prompt: ho
              # done""")

    assert (
        formatted("x.yaml", one)
        == formatted("x.yaml", other)
        == dedent("""\
        spec:
          checks:
            - prompt: hi # ask
              expect: {regex: "ok"}

            - prompt: ho
            # done
        """)
    )


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a: [1,2 , 3]\n", "a: [1, 2, 3]\n"),
        ("a: {x :  1,y: }\n", "a: {x: 1, y: }\n"),
        ("a: [\n1,\n # two\n2\n]\n", "a: [\n    1,\n    # two\n    2\n  ]\n"),
        ("a:\n- - 1\n  -   2\n-\n  b: 1\n", "a:\n  - - 1\n    - 2\n  -\n    b: 1\n"),
        ("a: |2\n    x\n", "a: |2\n    x\n"),
        ("a:\n   - |+\n     x\n\n\n   - >-\n      y\n", "a:\n  - |+\n    x\n\n\n  - >-\n    y\n"),
        ('a: "x\n   y \\\n   z"\n', 'a: "x\n  y \\\n  z"\n'),
        ("a: &x {k: 1}\nb: *x\nc:\n    <<:   *x\n", "a: &x {k: 1}\nb: *x\nc:\n  <<: *x\n"),
        ("%YAML 1.2\n---\na: 1\n...\n---   # two\nb:    2\n", "%YAML 1.2\n---\na: 1\n...\n--- # two\nb: 2\n"),
        ("? a\n: 1\n", "? a\n: 1\n"),
        ("a: 1\r\nb:  2\r\n", "a: 1\nb: 2\n"),
        ("  a: 1\n  b: 2", "a: 1\nb: 2\n"),
        ("a:\n  # in\n  b: 1\n\n\n  # still in\n# out\nc: 1 #c", "a:\n  # in\n  b: 1\n\n  # still in\n# out\nc: 1 #c\n"),
        ("a: 1\n\n\n# end\n\n", "a: 1\n\n# end\n"),
    ],
)  # fmt: skip
def test_each_thing_has_its_place(text, made):
    assert formatted("x.yaml", text) == made
    assert formatted("x.yaml", made) == made


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ('{"a":1,"b":[1,2]}', '{"a": 1, "b": [1, 2]}\n'),
        ('{\n\t"a": {\n\t\t"b":1\n\t}\n}\n', '{\n  "a": {\n    "b": 1\n  }\n}\n'),
        ('{"a": "\\ud83d\\ude00 \\u00e9",\n"b": [{\n"c": 1}]}', '{"a": "\\ud83d\\ude00 \\u00e9",\n  "b": [{\n    "c": 1}]}\n'),
    ],
)  # fmt: skip
def test_json_stays_json(text, made):
    assert formatted("mcp.json", text) == made
    assert formatted("mcp.json", made) == made


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda each: each.name)
def test_the_examples_are_in_the_one_layout(file: Path):
    assert formatted(file.name, file.read_text()) == file.read_text()


def laid_out(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: (formatted(name, each.decode()) or "").encode() for name, each in files.items()}


def test_a_fleet_has_the_same_digest_in_the_one_layout():
    assert read(laid_out(FLEET)).bundle.digest == read(FLEET).bundle.digest


@pytest.mark.parametrize("file", BROKEN, ids=lambda each: each.name)
def test_manifests_that_read_but_are_wrong_can_be_laid_out_too(file: Path):
    """Whatever the parser takes either keeps its meaning or is left alone."""
    if file.suffix == ".expected" or not file.is_file():
        return
    content = file.read_bytes()
    if parse(file.name, content).diagnostics:
        return
    once = formatted(file.name, content.decode())
    assert once is not None
    assert formatted(file.name, once) == once
