"""Problems as text: compared whole, because every word is read by someone."""

from textwrap import dedent

from lmctl.base.diagnostics import Place, error, warning
from lmctl.manifests.bundle import read
from lmctl.manifests.report import render


def test_a_problem_shows_its_line_a_caret_and_the_way_out():
    files = {"box/server.yaml": b"# box\nlisten: {prot: 1234}\n"}

    assert render(read(files).diagnostics, files) == dedent("""\
        error: unknown field `listen.prot`
         --> box/server.yaml:2:10
          |
        2 | listen: {prot: 1234}
          |          ^
        hint: did you mean `port`?
        """)


def test_problems_are_paragraphs_and_a_missing_text_leaves_only_the_place():
    found = [error(Place("a.yaml", 12, 1), "wrong"), warning(Place("gone"), "odd", "look")]

    assert render(found, {"a.yaml": b"x\n" * 12}) == dedent("""\
        error: wrong
          --> a.yaml:12:1
           |
        12 | x
           | ^

        warning: odd
         --> gone:1:1
        hint: look
        """)


def test_a_long_line_is_cut_around_the_caret():
    line = b"a" * 300 + b"!" + b"b" * 300
    shown = render([error(Place("f", 1, 301), "here")], {"f": line}).splitlines()

    assert len(shown[3]) <= 124
    assert shown[3][shown[4].index("^")] == "!"


def test_nothing_a_file_holds_reaches_the_terminal_as_a_control():
    found = [error(Place("f\x1b[2J", 1, 2), "bad \x1b[31m name", "do \x07 it")]
    shown = render(found, {"f\x1b[2J": "\ta\x1b[31m\u202eb \xff".encode("latin-1", "replace")})

    assert all(each.isprintable() for each in shown.splitlines())


def test_a_place_past_the_end_of_the_file_shows_no_line():
    assert render([error(Place("f", 9, 1), "end")], {"f": b"x"}) == "error: end\n --> f:9:1\n"


def test_nothing_wrong_is_no_text():
    assert render([], {}) == ""
