"""What a runner had read is there again in the next one, and is never trusted when it is damaged."""

from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lmctl.base.spec import LoadSettings
from lmctl.runner.saved_prefixes import SavedPrefixes
from tests.functional.runner import boxes
from tests.support import tiny_gemma, tiny_llama
from tests.support.asker import Asker

SYSTEM = [97 + n * n % 26 for n in range(300)]
OTHER = [97 + (n * n * n + 5) % 26 for n in range(300)]
QUESTION = [*SYSTEM, *b" who is there?"]
LOAD = LoadSettings(context_length=512, parallel=2, threads=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_llama.write(tmp_path_factory.mktemp("saved") / "m.gguf")


@contextmanager
def asking(path: Path, folder: Path, *, key: str = "k" * 40, most: int = 2**30):
    """Give one who asks an engine that begins with what is in the folder, and saves there at the end."""
    from lmctl.runner.llamacpp import engine as llamacpp

    engine = llamacpp.load([path], LOAD, progress=lambda _share: True)
    asker = Asker(engine)
    saved = SavedPrefixes(folder, key, engine, most=most)
    asker._scheduler.take_in(saved)
    try:
        yield asker
        asker._scheduler.save(saved)
    finally:
        engine.close()


def files(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.kv"))


def test_a_prompt_is_found_by_the_next_engine_and_answered_alike(model, tmp_path):
    with asking(model, tmp_path / "other") as asker:
        [(cold, _)] = asker.ask(QUESTION)
    with asking(model, tmp_path / "saved") as asker:
        asker.ask(SYSTEM)
    with asking(model, tmp_path / "saved") as asker:
        [(warm, cached)] = asker.ask(QUESTION)

    assert cached == len(SYSTEM)
    assert warm == cold


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_not_used_and_removed(model, tmp_path, damage):
    with asking(model, tmp_path) as asker:
        asker.ask(SYSTEM)
    [path] = files(tmp_path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    kept = {"flipped": content, "cut": content[: len(content) // 2], "empty": b""}[damage]
    path.write_bytes(kept)
    with asking(model, tmp_path) as asker:
        assert files(tmp_path) == []
        [(_, cached)] = asker.ask(QUESTION)

    assert cached == 0


def test_what_another_model_or_another_cache_saved_is_not_looked_at(model, tmp_path):
    with asking(model, tmp_path) as asker:
        asker.ask(SYSTEM)
    with asking(model, tmp_path, key="other" * 8) as asker:
        [(_, cached)] = asker.ask(QUESTION)

    assert cached == 0


def test_a_file_that_the_engine_cannot_read_is_removed(model, tmp_path):
    from lmctl.runner import saved_prefixes

    with asking(model, tmp_path) as asker:
        asker.ask(SYSTEM)
    [path] = files(tmp_path)
    path.write_bytes(b"no state at all")
    path.rename(path.with_name(f"{saved_prefixes._sha256(path)}.kv"))
    with asking(model, tmp_path) as asker:
        [(_, cached)] = asker.ask(QUESTION)
        assert files(tmp_path) == []

    assert cached == 0


def test_short_ones_and_those_that_have_most_in_common_get_no_file(model, tmp_path):
    with asking(model, tmp_path) as asker:
        asker.ask(list(b"a short one"))
        asker.ask(SYSTEM, [*SYSTEM[:290], *b"as good as the same"])

    assert len(files(tmp_path)) == 1


def test_the_disk_is_bounded_and_the_longest_unused_goes_first(model, tmp_path):
    with asking(model, tmp_path) as asker:
        asker.ask(SYSTEM)
    [path] = files(tmp_path)
    room = int(path.stat().st_size * 1.5)
    with asking(model, tmp_path, most=room) as asker:
        asker.ask(OTHER)
    with asking(model, tmp_path) as asker:
        [(_, cached), (_, gone)] = [asker.ask(each)[0] for each in (OTHER, SYSTEM)]

    assert (cached, gone) == (len(OTHER) - 1, 0)


def test_a_window_is_saved_with_what_it_still_holds(tmp_path):
    path = tiny_gemma.write(tmp_path / "m.gguf")
    text = [3 + n * n % (tiny_gemma.WORDS - 3) for n in range(400)]
    with asking(path, tmp_path / "none") as asker:
        [(cold, _)] = asker.ask([*text, 5, 6, 7])
    with asking(path, tmp_path / "saved") as asker:
        asker.ask(text, tokens=1)
    with asking(path, tmp_path / "saved") as asker:
        [(warm, cached)] = asker.ask([*text, 5, 6, 7])

    assert cached == len(text)
    assert warm == cold


async def test_a_system_prompt_survives_a_restart_of_its_runner(model, tmp_path):
    load = LoadSettings(context_length=1024, parallel=2, threads=1, keep_prefixes=True)
    prompt, found = "You are a clerk who never invents. " * 15, []
    for question in ("Who?", "Where?"):
        with TemporaryDirectory(prefix="lm") as folder:
            box = boxes.start(
                Path(folder), model, engine="llama.cpp", load=load, prefixes=str(tmp_path / "p")
            )
            try:
                await box.ready()
                end = (await boxes.answer(box, boxes.chat(prompt + question, max_tokens=2))).end
                found.append(end.usage.cached_tokens)
                box.process.terminate()
                assert await box.exit_code() == 0
            finally:
                await box.end()

    assert found[0] == 0
    assert found[1] >= len(prompt)
    assert all(each.stat().st_mode & 0o77 == 0 for each in tmp_path.rglob("*") if each.is_dir())
