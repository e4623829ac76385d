"""The models folder: our links, and what a user put there."""

import os

import pytest

from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.base.errors import Refused
from lmctl.planning.weights_values import FileSource, Weights
from tests.support.weights_home import content

DATA = content(5000)


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(DATA)
    return Weights("acme/tiny", (FileSource(str(path)),))


@pytest.fixture
async def stored(store, weights):
    return await store.fetch(weights)


@pytest.fixture
def tree(home):
    return ModelsTree(home)


@pytest.fixture
def place(home):
    return home / "models" / "acme" / "tiny" / "m.gguf"


def put(home, path, data=b"user's"):
    target = home / "models" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


async def test_stored_weights_appear_as_relative_links(store, tree, weights, stored, place):
    assert not store.look(weights).linked

    assert tree.link(weights, stored) == 1

    assert place.read_bytes() == DATA
    assert not place.readlink().is_absolute()
    assert store.look(weights).linked
    assert tree.link(weights, stored) == 0


async def test_links_survive_a_moved_home(home, tree, weights, stored, tmp_path):
    tree.link(weights, stored)
    home.rename(tmp_path / "elsewhere")

    assert (tmp_path / "elsewhere/models/acme/tiny/m.gguf").read_bytes() == DATA


async def test_a_lost_link_is_seen_and_put_back(store, tree, weights, stored, place):
    tree.link(weights, stored)
    place.unlink()
    assert not store.look(weights).linked

    tree.link(weights, stored)

    assert place.read_bytes() == DATA


async def test_a_link_of_ours_to_an_older_blob_is_replaced(home, tree, weights, stored, place):
    old = home / "blobs" / "sha256" / "00" / ("0" * 64)
    place.parent.mkdir(parents=True)
    place.symlink_to(os.path.relpath(old, place.parent))
    assert not tree.linked(weights, stored)

    tree.link(weights, stored)

    assert place.read_bytes() == DATA


@pytest.mark.parametrize("kind", ["file", "link", "broken link"])
async def test_what_a_user_put_there_is_never_replaced(
    home, tree, weights, stored, place, tmp_path, kind
):
    theirs = tmp_path / "theirs.gguf"
    theirs.write_bytes(b"theirs")
    place.parent.mkdir(parents=True)
    if kind == "file":
        place.write_bytes(b"theirs")
    else:
        place.symlink_to(theirs if kind == "link" else tmp_path / "nowhere")

    assert not tree.linked(weights, stored)
    with pytest.raises(Refused, match=r"m\.gguf is not a link of lmctl") as caught:
        tree.link(weights, stored)

    assert "move it away" in caught.value.hint
    if kind != "broken link":
        assert place.read_bytes() == b"theirs"


async def test_a_name_that_would_leave_the_folder_is_refused(tree, weights, stored):
    with pytest.raises(Refused, match="cannot be a path"):
        tree.link(Weights("../tiny", weights.sources), stored)


def test_a_file_put_there_by_hand_is_a_model(home, tree):
    path = put(home, "pub/model/x-Q4_K_M.gguf")

    (model,) = tree.local_models().models

    assert model.key == "pub/model"
    assert [(each.path, each.size) for each in model.files] == [(path, 6)]
    assert tree.local_weights()["pub/model"].sources == (FileSource(str(path)),)


def test_a_split_set_with_a_projector_is_one_model(home, tree):
    for name in ("mmproj-x-f16.gguf", "x-00002-of-00002.gguf", "x-00001-of-00002.gguf"):
        put(home, f"pub/model/{name}")

    (model,) = tree.local_models().models

    assert [each.path.name for each in model.files] == [
        "x-00001-of-00002.gguf",
        "x-00002-of-00002.gguf",
        "mmproj-x-f16.gguf",
    ]


def test_two_quantizations_in_one_folder_are_told_apart(home, tree):
    put(home, "pub/model/x-Q4_K_M.gguf")
    put(home, "pub/model/x-Q8_0.gguf")

    assert sorted(tree.local_weights()) == ["pub/model@Q4_K_M", "pub/model@Q8_0"]


def test_an_incomplete_set_is_noted(home, tree):
    put(home, "pub/model/x-00001-of-00002.gguf")

    found = tree.local_models()

    assert found.models == ()
    assert "x-00002-of-00002.gguf is missing" in found.notes[0]


def test_loops_and_broken_links_are_passed_over_with_a_note(home, tree, tmp_path):
    put(home, "pub/model/good.gguf")
    models = home / "models"
    (models / "pub" / "loop").symlink_to(models / "pub" / "loop")
    (models / "gone").symlink_to(tmp_path / "nowhere")
    (models / "pub" / "model" / "dead.gguf").symlink_to(tmp_path / "nowhere")
    (models / "pub" / "model" / "ring.gguf").symlink_to("ring.gguf")

    found = tree.local_models()

    assert [each.key for each in found.models] == ["pub/model"]
    told = "\n".join(found.notes)
    assert all(name in told for name in ("loop", "gone", "dead.gguf", "ring.gguf"))


async def test_our_own_links_are_not_models_of_the_user(tree, weights, stored):
    tree.link(weights, stored)

    assert tree.local_models().models == ()


async def test_a_model_put_there_by_hand_needs_no_link(home, tree, store):
    put(home, "pub/model/x.gguf", DATA)
    weights = tree.local_weights()["pub/model"]

    stored = await store.fetch(weights)

    assert store.look(weights).linked
    assert tree.link(weights, stored) == 0


def test_an_empty_home_has_no_models(tree):
    assert tree.local_models().models == ()


FOLDER = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def test_an_mlx_folder_put_there_by_hand_is_a_model(home, tree):
    paths = [put(home, f"pub/x-mlx/{name}") for name in (*FOLDER, "README.md")]

    (model,) = tree.local_models().models

    assert model.key == "pub/x-mlx"
    assert {each.path.name for each in model.files} == set(FOLDER)
    assert tree.local_weights()["pub/x-mlx"].sources == (FileSource(str(paths[1])),)


@pytest.mark.parametrize("named", ["", "model.safetensors"])
async def test_an_mlx_folder_is_stored_whole_from_a_file_or_itself(store, tree, tmp_path, named):
    for name in (*FOLDER, "README.md"):
        (tmp_path / name).write_bytes(name.encode())
    weights = Weights("acme/x", (FileSource(str(tmp_path / named)),))

    stored = await store.fetch(weights)

    assert stored.files[0].name == "model.safetensors"
    assert {each.name for each in stored.files} == set(FOLDER)
    assert tree.link(weights, stored) == len(FOLDER)
    assert tree.local_models().models == ()  # these are ours
