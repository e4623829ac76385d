"""lmctl.lock as text: one text for one meaning, mistakes with their place, and what lags behind."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.manifests.bundle import read
from lmctl.manifests.lock import (
    Lock,
    LockedFile,
    LockedModel,
    LockedSource,
    LockedWheel,
    is_lock,
    read_lock,
    render,
)
from lmctl.manifests.reading import counts
from lmctl.manifests.sources import FileSource, HuggingFaceSource, PypiSource, UrlSource

SHA = "ab" * 32
OTHER = "cd" * 32


def made(kind, **fields):
    return kind.model_validate(fields)


def hub(**more):
    return made(HuggingFaceSource, type="huggingface", user="acme", repo="tiny", **more)


def locked(source=None, *, sha256=SHA, path="tiny.gguf", **more):
    file = made(LockedFile, path=path, size=3, sha256=sha256)
    given = {"source": source or hub(), "files": (file,), **more}
    return LockedSource.model_construct(None, **{"commit": None, "wheels": (), **given})


def lock_of(*sources, model="acme/tiny", key="acme/tiny-gguf"):
    entry = LockedModel.model_construct(model=model, key=key, sources=sources or (locked(),))
    return Lock.model_construct(about="", lock_version=1, models=(entry,))


letters = st.sampled_from("abz AZ09._-+é漢😀\"'`{}[]:#,&*!|>%@\\")
paths = st.text(letters.filter(lambda each: each != "\\"), min_size=1, max_size=12).map("m".__add__)
words = st.text(letters, min_size=1, max_size=8)
names = st.sampled_from(["a", "A1", "tiny-model", "x.y_z", "0"])
shas = st.sampled_from(["ab" * 32, "0" * 64, "1f" * 32])
sizes = st.integers(0, 2**50)
files = st.builds(lambda p, s, h: made(LockedFile, path=p, size=s, sha256=h), paths, sizes, shas)
wheels = st.builds(
    lambda p, s, h: made(LockedWheel, package=p, file=f"{p}-1-py3-none-any.whl", size=s, sha256=h),
    names, sizes, shas,
)  # fmt: skip
sources = st.one_of(
    st.builds(
        lambda u, r, v, f: made(
            HuggingFaceSource, type="huggingface", user=u, repo=r, revision=v, file=f
        ),
        names, names, words, st.none() | paths,
    ),
    st.builds(
        lambda p, f, h: made(PypiSource, type="pypi", package=p, version="1", file=f, sha256=h),
        names, paths, st.none() | shas,
    ),
    st.builds(
        lambda ps, h: PypiSource.model_validate(
            {
                "type": "pypi",
                "version": "1",
                "parts": [{"package": p, "file": f} for p, f in ps],
                "sha256": h,
            }
        ),
        st.lists(st.tuples(names, paths), min_size=1, max_size=3), shas,
    ),
    st.builds(lambda p: made(FileSource, type="file", path=p), paths),
    st.builds(
        lambda p, h: made(UrlSource, type="url", url=f"https://a.example/{p}", sha256=h),
        names, shas,
    ),
)  # fmt: skip


def with_files(source, commit, wheels, files):
    """A main file is what its source declares."""
    first = files[0].model_copy(update={"sha256": source.sha256 or files[0].sha256})
    return LockedSource.model_construct(
        source=source, commit=commit, wheels=wheels, files=(first, *files[1:])
    )


entries = st.builds(
    with_files,
    sources,
    st.none() | shas,
    st.lists(wheels, max_size=2, unique_by=lambda each: each.package).map(tuple),
    st.lists(files, min_size=1, max_size=3, unique_by=lambda each: each.path).map(tuple),
)
models = st.builds(
    lambda u, n, k, s: LockedModel.model_construct(model=f"{u}/{n}", key=k, sources=s),
    names, names, words, st.lists(entries, min_size=1, max_size=3).map(tuple),
)  # fmt: skip
locks = st.lists(models, max_size=4, unique_by=lambda each: each.identity).map(
    lambda each: Lock.model_construct(about="", lock_version=1, models=tuple(each))
)


@given(locks)
@settings(max_examples=60, deadline=None)
def test_a_lock_is_read_as_it_was_written_in_whatever_order_and_layout(lock):
    text = render(lock)
    reading = read_lock("lmctl.lock", text.encode())
    turned = Lock.model_construct(about="", lock_version=1, models=lock.models[::-1])
    spread = read_lock("lmctl.lock", json.dumps(json.loads(text), indent=4).encode())

    assert reading.diagnostics == spread.diagnostics == ()
    assert reading.lock is not None
    assert render(reading.lock) == render(turned) == text
    told = {each.identity: each.sources for each in lock.models}
    assert {each.identity: each.sources for each in reading.lock.models} == told
    assert spread.digest == reading.digest


def test_every_fact_has_a_line_of_its_own():
    source = locked(hub(revision="v1"), commit="0" * 40)

    assert render(lock_of(source)) == (
        "{\n"
        '  "about": "Written by `lmctl lock`. Commit it and review it; do not edit it.",\n'
        '  "lockVersion": 1,\n'
        '  "models": [\n'
        "    {\n"
        '      "model": "acme/tiny",\n'
        '      "key": "acme/tiny-gguf",\n'
        '      "sources": [\n'
        "        {\n"
        '          "source": {"type": "huggingface", "user": "acme", "repo": "tiny", "revision": "v1"},\n'
        f'          "commit": "{"0" * 40}",\n'
        '          "files": [\n'
        f'            {{"path": "tiny.gguf", "size": 3, "sha256": "{SHA}"}}\n'
        "          ]\n"
        "        }\n"
        "      ]\n"
        "    }\n"
        "  ]\n"
        "}\n"
    )


GOOD = render(lock_of())


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        ("", 1, "the file is empty", "it anew"),
        ("[]", 1, "expected a mapping, found a list", "it anew"),
        (
            GOOD.replace('"lockVersion": 1', '"lockVersion": 2'),
            3,
            "lockVersion: expected 1, found `2`: another lmctl wrote this lock",
            "use that lmctl",
        ),
        (GOOD.replace(SHA, "abc"), 12, "expected a sha256, found the text `abc`", "64 hexadecimal"),
        (GOOD.replace('"size": 3, ', ""), 12, "size` is required and missing", None),
        (GOOD.replace('"size": 3', '"size": -3'), 12, "expected at least 0, found `-3`", None),
        (
            GOOD.replace('"size": 3', '"size": 3, "size": 4'),
            12,
            "duplicate key `size`",
            None,
        ),
        (
            GOOD.replace('"key"', '"key": "k", "kye"'),
            7,
            "unknown field `models[0].kye`",
            "did you mean `key`?",
        ),
        (GOOD.replace("tiny.gguf", "../tiny.gguf"), 12, "expected a path inside", None),
        (GOOD.replace('"acme/tiny"', '"tiny"'), 6, "expected a model key", "publisher/name"),
        (
            GOOD.replace('"key"', '<<<<<<< ours\n      "key"'),
            None,
            "did not find expected",
            None,
        ),
        (
            GOOD.replace('      "key"', '<<<<<<< ours\n      "key"'),
            7,
            "a merge conflict that nobody resolved",
            "take either side, then run `lmctl lock`",
        ),
        (GOOD[: len(GOOD) // 2], None, "", None),
        (
            GOOD.replace('"repo": "tiny"', f'"repo": "tiny", "sha256": "{OTHER}"'),
            12,
            f"expected the sha256 its source declares: {OTHER}",
            "it anew",
        ),
    ],
)
def test_a_broken_lock_is_told_with_its_place_and_stops_the_bundle(text, line, message, hint):
    reading = read({"fleet/lmctl.lock": text.encode()})
    told = [each for each in reading.diagnostics if each.fatal]

    assert told
    assert all(each.place.file == "fleet/lmctl.lock" for each in told)
    if line is not None:
        [one] = told
        assert (one.place.line, message in one.message) == (line, True), one
        assert hint is None or hint in (one.hint or "")


def test_one_model_cannot_be_locked_twice_in_a_file_or_in_two():
    twice = json.loads(GOOD)
    twice["models"] *= 2
    reading = read({"a/lmctl.lock": json.dumps(twice, indent=1).encode()})
    assert "`acme/tiny` is locked twice" in reading.diagnostics[0].message

    reading = read({"a/lmctl.lock": GOOD.encode(), "b/lmctl.lock": GOOD.encode()})
    [told] = [each for each in reading.diagnostics if each.fatal]
    assert told.message == "model `acme/tiny` is locked twice, first at a/lmctl.lock:6:1"
    assert str(told.place) == "b/lmctl.lock:6:1"


MODEL = """\
model: acme/tiny
base:
  - key: acme/tiny-gguf
    sources:
      - {type: huggingface, user: acme, repo: tiny}
"""


def bundle_of(model=MODEL, lock=GOOD):
    files = {"fleet/models/tiny/model.yaml": model.encode()}
    if lock:
        files["fleet/lmctl.lock"] = lock.encode()
    return read(files)


def lagging(reading):
    return [(f"{each.place.file}:{each.place.line}", each.message) for each in reading.diagnostics]


def test_a_lock_that_says_everything_is_silent_and_counts_in_the_digest():
    reading = bundle_of()

    assert reading.diagnostics == ()
    assert [each.locked.files[0].sha256 for each in reading.bundle.pins("acme/tiny")] == [SHA]
    other = bundle_of(lock=GOOD.replace(SHA, OTHER))
    assert reading.bundle.digest != other.bundle.digest
    assert reading.bundle.digest != bundle_of(lock="").bundle.digest


def test_without_any_lock_nothing_lags():
    assert bundle_of(lock="").diagnostics == ()


def test_an_edited_source_is_said_to_have_changed_and_is_not_locked():
    reading = bundle_of(MODEL.replace("repo: tiny", "repo: tiny, revision: v2"))

    told = "lock lags: a source of model `acme/tiny` changed since it was locked: huggingface acme/tiny"
    assert lagging(reading) == [("fleet/models/tiny/model.yaml:5", told)]
    assert not reading.fatal
    assert [each.locked for each in reading.bundle.pins("acme/tiny")] == [None]


def test_a_new_source_is_said_not_to_be_locked_and_the_other_one_is():
    reading = bundle_of(MODEL + "      - {type: file, path: ./tiny.gguf}\n")

    told = "lock lags: a source of model `acme/tiny` is not locked: file tiny.gguf"
    assert lagging(reading) == [("fleet/models/tiny/model.yaml:6", told)]
    assert [each.locked is None for each in reading.bundle.pins("acme/tiny")] == [False, True]


def test_a_model_that_is_not_locked_and_one_that_is_gone_are_told():
    reading = bundle_of(MODEL.replace("acme/tiny\n", "acme/small\n"))

    gone = "lock lags: model `acme/tiny` (`acme/tiny-gguf`) is locked and no longer declared"
    assert lagging(reading) == [
        ("fleet/lmctl.lock:6", gone),
        ("fleet/models/tiny/model.yaml:3", "lock lags: model `acme/small` is not locked"),
    ]


def test_what_is_locked_of_a_broken_model_is_still_its_own():
    reading = bundle_of(MODEL + "tags: 3\n")

    assert all("lock lags" not in each.message for each in reading.diagnostics)


def test_a_path_is_locked_as_written_and_an_address_without_its_query():
    model = MODEL.replace(
        "{type: huggingface, user: acme, repo: tiny}",
        "{type: file, path: ../../w/tiny.gguf}\n"
        f"      - {{type: url, url: 'https://a.example/t.gguf?mirror=2', sha256: {SHA}}}",
    )
    pins = bundle_of(model, lock="").bundle.pins("acme/tiny")

    assert pins[0].declared.path == "../../w/tiny.gguf"
    assert pins[1].declared.url == "https://a.example/t.gguf"
    assert "mirror" not in render(lock_of(*(locked(each.declared) for each in pins)))


def test_a_model_made_of_another_one_has_no_pins_of_its_own():
    reading = read(
        {
            "a.model.yaml": b"model: acme/child\nbase: acme/tiny\n",
            "model.yaml": MODEL.encode(),
            "lmctl.lock": GOOD.encode(),
        }
    )

    assert reading.diagnostics == ()
    assert reading.bundle.pins("acme/child") == ()


def test_places_are_lines_however_large_the_lock():
    lock = replace(read_lock("lmctl.lock", GOOD.encode()), digest="")
    assert lock.lock is not None
    many = Lock.model_construct(
        about="", lock_version=1,
        models=tuple(
            LockedModel.model_construct(model=f"acme/m{n:05d}", key="k", sources=lock.lock.models[0].sources)
            for n in range(600)
        ),
    )  # fmt: skip
    reading = read_lock("lmctl.lock", render(many).replace(SHA, "x", 1).encode())

    [told] = reading.diagnostics
    assert "expected a sha256" in told.message


@pytest.mark.parametrize(
    ("path", "answer"), [("lmctl.lock", True), ("a/lmctl.lock", True), ("other.lock", False)]
)
def test_a_lock_is_known_by_its_name(path, answer):
    assert counts(path) is is_lock(path) is answer
