"""Everything people get wrong, and the exact words they get back.

`broken/` has one file or folder per mistake and the expected words beside it. What a version
control system cannot hold well (other encodings, binary files) is made here.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from lmctl.adapters.manifest_dir import scan
from lmctl.manifests.bundle import read

BROKEN = Path(__file__).parent / "broken"
CASES = sorted(each for each in BROKEN.iterdir() if each.suffix != ".expected")

CHAT = "apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {name: chat}\nspec: {model: é/x}\n"
ODD = {
    "utf-16 with mark": (
        CHAT.encode("utf-16"),
        (
            "a.yaml:1:1: error: the file is UTF-16 text, expected UTF-8\n"
            "  hint: save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8\n"
        ),
    ),
    "utf-16 without mark": (
        "kind: Instance\n".encode("utf-16-le"),
        (
            "a.yaml:1:1: error: the file is UTF-16 text, expected UTF-8\n"
            "  hint: save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8\n"
        ),
    ),
    "utf-16 big endian without mark": (
        "kind: Instance\n".encode("utf-16-be"),
        (
            "a.yaml:1:1: error: the file is UTF-16 text, expected UTF-8\n"
            "  hint: save it as UTF-8, for example: iconv -f UTF-16 -t UTF-8\n"
        ),
    ),
    "utf-32": (
        CHAT.encode("utf-32"),
        (
            "a.yaml:1:1: error: the file is UTF-32 text, expected UTF-8\n"
            "  hint: save it as UTF-8, for example: iconv -f UTF-32 -t UTF-8\n"
        ),
    ),
    "latin-1": (
        CHAT.encode("latin-1"),
        (
            "a.yaml:4:15: error: byte 0xe9 is not UTF-8\n"
            "  hint: save the file as UTF-8; if it is Latin-1: iconv -f LATIN1 -t UTF-8\n"
        ),
    ),
    "binary": (
        b"GGUF\x03\n\x01\x00\x00rest",
        (
            "a.yaml:2:2: error: the file is binary: it has a NUL byte here\n"
            "  hint: a manifest is UTF-8 text; give other files a name that does not end like a manifest's\n"
        ),
    ),
    "cut in the middle of a character": (
        CHAT.encode()[: CHAT.encode().index(b"\xc3") + 1],
        (
            "a.yaml:4:15: error: byte 0xc3 is not UTF-8\n"
            "  hint: save the file as UTF-8; if it is Latin-1: iconv -f LATIN1 -t UTF-8\n"
        ),
    ),
    "a megabyte too much": (
        b"# " + b"x" * (1 << 20),
        (
            "a.yaml:1:1: error: the file is too large for a manifest: 1.0 MiB\n"
            "  hint: a manifest may be up to 1.0 MiB; keep weights and data in other files\n"
        ),
    ),
    "200 kB of brackets": (
        b"[" * 200_000,
        "a.yaml:1:65: error: nested deeper than 64 levels\n  hint: flatten the manifest\n",
    ),
    "more values than a manifest has": (
        b"a: [" + b"1," * 10_000 + b"1]\n",
        (
            "a.yaml:1:20001: error: more than 10,000 values, aliases counted as often as they are used\n"
            "  hint: split the file, or use fewer aliases\n"
        ),
    ),
}


def words(files: Mapping[str, bytes]) -> str:
    """Return every problem as `file:line:column: error: message` with its hint below."""
    lines = []
    for each in read(files).diagnostics:
        lines.append(f"{each.place}: {each.severity}: {each.message}\n")
        if each.hint:
            lines.append(f"  hint: {each.hint}\n")
    return "".join(lines)


def case_files(case: Path) -> dict[str, bytes]:
    files = [case] if case.is_file() else sorted(each for each in case.rglob("*") if each.is_file())
    return {str(each.relative_to(BROKEN)): each.read_bytes() for each in files}


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.name)
def test_a_broken_manifest_gets_exactly_these_words(case: Path):
    assert words(case_files(case)) == expected_file(case).read_text()


@pytest.mark.parametrize("case", ODD)
def test_bytes_that_are_no_manifest_get_exactly_these_words(case: str):
    content, expected = ODD[case]

    assert words({"a.yaml": content}) == expected


def test_the_corpus_is_large_and_every_case_has_its_words():
    assert len(CASES) + len(ODD) >= 60
    assert {expected_file(each) for each in CASES} == set(BROKEN.glob("*.expected"))


def test_every_broken_manifest_is_told_with_a_place_that_exists():
    """None raises, and the first problem of each names a line its file has."""
    for case in CASES:
        files = case_files(case)
        first = read(files).diagnostics[0]
        lines = files[first.place.file].decode().split("\n")
        assert 1 <= first.place.line <= len(lines), case.name
        assert 1 <= first.place.column <= len(lines[first.place.line - 1]) + 1, case.name


def test_all_mistakes_of_all_files_are_told_in_one_reading():
    """A whole directory of broken files at once: nothing hides behind the first error."""
    found = scan([BROKEN])
    reading = read(found.files)
    named = {each.place.file for each in reading.diagnostics}

    assert reading.fatal
    assert {
        str(BROKEN / each) for case in CASES for each in case_files(case)
    } - named <= CLEAN_ALONE


# Files that only show what is missing in, or clashes with, the file beside them.
CLEAN_ALONE = frozenset(
    str(each) for case in CASES if case.is_dir() for each in case.rglob("*") if each.is_file()
)


def test_words_are_sentences_without_machine_speech():
    """No class names, no library's own words, no newlines inside a message."""
    for case in CASES:
        for each in read(case_files(case)).diagnostics:
            assert not re.search(r"pydantic|ValidationError|Traceback|<class|\n", each.message), (
                case.name
            )
            assert not each.message.endswith("."), each.message


def expected_file(case: Path) -> Path:
    return BROKEN / f"{case.name}.expected"
