"""One change in a text: it says what was meant, and everything else is as it was."""

import copy
import json
from textwrap import dedent
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.base.digests import canonical
from lmctl.base.errors import BadRequest
from lmctl.manifests.edits import _put_in, _take_out
from lmctl.manifests.yaml_edit import Text
from lmctl.manifests.yaml_source import parse
from tests.support.yaml_texts import WORDS, Hand, mappings, values


def said(text: str, file: str = "x.yaml") -> Any:
    parsed = parse(file, text.encode())
    assert parsed.diagnostics == (), text
    return [each.value for each in parsed.documents]


def a_path(draw, value: Any) -> tuple[str | int, ...]:
    """Draw a path that is there, or could be."""
    path: list[str | int] = []
    while True:
        if isinstance(value, dict):
            key: str | int = draw(st.sampled_from([*value, *WORDS[:3]]))
            below = value.get(key)
        elif isinstance(value, list):
            key = draw(st.integers(0, len(value)))
            below = value[key] if key < len(value) else None
        else:
            return tuple(path)
        path.append(key)
        if below is None or draw(st.booleans()):
            return tuple(path)
        value = below


@st.composite
def changes(draw):
    documents = draw(st.lists(mappings, min_size=1, max_size=2))
    hand = Hand(draw(st.integers(0, 2**32)))
    text = "---\n".join(hand.document(each) for each in documents)
    which = draw(st.integers(0, len(documents) - 1))
    return text, documents, which, a_path(draw, documents[which]), draw(values)


@settings(max_examples=150, deadline=None)
@given(changes())
def test_a_value_given_anywhere_in_any_hand_says_just_that(made):
    text, documents, which, path, value = made
    edit = Text(text, document=which)
    wanted = copy.deepcopy(documents)
    _put_in(wanted[which], path, value)

    edit.set(path, value)

    assert canonical(said(edit.text)) == canonical(wanted), edit.text
    kept = [line for line in edit.text.splitlines() if line in text.splitlines()]
    assert len(text.splitlines()) - len(kept) <= lines_of(documents[which], path, text)


def lines_of(document: Any, path: tuple[str | int, ...], text: str) -> int:
    """Return how many lines may go: those of the value replaced, and one beside it."""
    for key in path:
        present = isinstance(document, dict) and key in document
        present = present or (isinstance(document, list) and key < len(document))
        if not present:
            return 2
        document = document[key]
    return 2 if not isinstance(document, dict | list | str) else len(text.splitlines())


@settings(max_examples=150, deadline=None)
@given(changes())
def test_what_is_taken_out_anywhere_is_gone_and_nothing_else(made):
    text, documents, which, path, _ = made
    wanted = copy.deepcopy(documents)
    _take_out(wanted[which], path, keep=1)
    edit = Text(text, document=which)
    if wanted[which] == {}:
        return

    edit.remove(path)

    assert canonical(said(edit.text)) == canonical(wanted), edit.text


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_json_stays_json_however_it_is_indented(data):
    document = data.draw(mappings)
    indent = data.draw(st.sampled_from([None, 2, 4]))
    text = json.dumps(document, indent=indent, ensure_ascii=data.draw(st.booleans()))
    path, value = a_path(data.draw, document), data.draw(values)
    edit = Text(text, json=True)
    wanted = copy.deepcopy(document)
    _put_in(wanted, path, value)

    edit.set(path, value)

    assert json.loads(edit.text) == wanted
    if indent and len(path) == 1 and isinstance(value, dict) and document:
        assert (
            edit.text == json.dumps(wanted, indent=indent, ensure_ascii=False)
            or path[0] in document
            or not text.isascii()
            or "\\u" in text
        )


START = """\
# fleet
spec:
  model: org/small # the model
  load: {contextLength: 4096, gpu: {ratio: max}}   # sizes

  # how it answers
  operation:
    temperature: 0.2
  checks:
    - prompt: hi # first
      maxSeconds: 5
    - {prompt: ho}
  text: |
    one
    two
  empty:
"""


@pytest.mark.parametrize(
    ("path", "value", "old", "new"),
    [
        (("spec", "model"), "org/x", "org/small #", "org/x #"),
        (("spec", "model"), "", "org/small #", '"" #'),
        (("spec", "load", "contextLength"), 8192, "4096", "8192"),
        (("spec", "load", "seed"), 7, "{ratio: max}}", "{ratio: max}, seed: 7}"),
        (("spec", "load", "gpu", "ratio"), 0.5, "ratio: max", "ratio: 0.5"),
        (("spec", "operation", "preset"), "terse", "0.2\n", "0.2\n    preset: terse\n"),
        (("spec", "operation"), {}, "operation:\n    temperature: 0.2\n", "operation: {}\n"),
        (("spec", "operation"), {"a": 1}, "operation:\n    temperature: 0.2\n", "operation: {a: 1}\n"),
        (("spec", "checks", 0, "prompt"), "a: b", "hi #", '"a: b" #'),
        (("spec", "checks", 0, "expect"), {"regex": "ok"}, "maxSeconds: 5\n",
         "maxSeconds: 5\n      expect:\n        regex: ok\n"),
        (("spec", "checks", 2), {"prompt": "he"}, "- {prompt: ho}\n",
         "- {prompt: ho}\n    - {prompt: he}\n"),
        (("spec", "checks", 1, "maxSeconds"), 9, "{prompt: ho}", "{prompt: ho, maxSeconds: 9}"),
        (("spec", "text"), "three", "text: |\n    one\n    two\n", "text: three\n"),
        (("spec", "empty"), True, "empty:", "empty: true"),
        (("spec", "empty", "deep", "er"), 1, "empty:", "empty: {deep: {er: 1}}"),
        (("spec", "limits", "queue"), 5, "empty:\n", "empty:\n  limits:\n    queue: 5\n"),
        (("more",), [1, "a"], "empty:\n", "empty:\nmore: [1, a]\n"),
    ],
)  # fmt: skip
def test_only_what_was_meant_changes(path, value, old, new):
    edit = Text(START)

    edit.set(path, value)

    assert edit.text == START.replace(old, new)


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        (("spec", "model"), "  model: org/small # the model\n", ""),
        (("spec", "load", "contextLength"), "contextLength: 4096, ", ""),
        (("spec", "load", "gpu", "ratio"), ", gpu: {ratio: max}", ""),
        (("spec", "operation", "temperature"), "  operation:\n    temperature: 0.2\n", ""),
        (("spec", "checks", 0), "    - prompt: hi # first\n      maxSeconds: 5\n", ""),
        (("spec", "checks", 0, "prompt"), "prompt: hi # first\n      ", ""),
        (("spec", "checks", 1), "    - {prompt: ho}\n", ""),
        (("spec", "checks", 1, "prompt"), "- {prompt: ho}", "- {}"),
        (("spec", "text"), "  text: |\n    one\n    two\n", ""),
        (("spec", "nothing", "here"), "", ""),
        (("spec", "model", "deeper"), "", ""),
    ],
)
def test_only_what_was_meant_goes(path, old, new):
    edit = Text(START)

    edit.remove(path)

    assert edit.text == START.replace(old, new)


def test_line_ends_and_a_missing_last_one_stay():
    edit = Text("a: 1\r\nb:\r\n  c: 2")
    edit.set(("b", "d"), 3)
    edit.set(("e",), 4)
    edit.remove(("a",))

    assert edit.text == "b:\r\n  c: 2\r\n  d: 3\r\ne: 4"


def test_json_of_many_lines_gets_lines():
    text = '{\n    "mcpServers": {\n        "a": {"command": "x"}\n    }\n}\n'
    edit = Text(text, json=True)
    edit.set(("mcpServers", "b"), {"command": "y", "args": ["1"]})
    edit.set(("mcpServers", "a", "env"), {"MODE": "dev"})

    assert edit.text == dedent("""\
        {
            "mcpServers": {
                "a": {"command": "x", "env": {"MODE": "dev"}},
                "b": {
                    "command": "y",
                    "args": [
                        "1"
                    ]
                }
            }
        }
        """)


def test_a_comment_behind_the_last_entry_stays_with_it():
    edit = Text("a: [\n  1, # one\n  2 # two\n]\nb: {\n  x: 1, # last\n}\n")
    edit.set(("a", 2), 3)
    edit.set(("b", "y"), 2)

    assert edit.text == "a: [\n  1, # one\n  2, # two\n  3\n]\nb: {\n  x: 1, # last\n  y: 2\n}\n"


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (("a", "b"), "a is no mapping or list: `b` is not in it"),
        (("l", 5), "l is a list of 1: `[5]` is not in it"),
        (("l", "x"), "l is a list of 1: `x` is not in it"),
        (("m", 0), "m is a mapping: `[0]` is not in it"),
        (("r", "k"), "r at line 4 is an alias: what it stands for is used elsewhere too"),
        (("n", 3), "`[3]` is past the end of a list that is not there yet"),
    ],
)
def test_a_path_that_leads_nowhere_is_told(path, words):
    with pytest.raises(BadRequest) as told:
        Text("a: 1\nl: [1]\nm: &m {k: 1}\nr: *m\n").set(path, 1)

    assert str(told.value) == words


def test_what_would_leave_nothing_is_told():
    with pytest.raises(BadRequest, match="nothing would be left"):
        Text("a: 1\n").remove(("a",))
