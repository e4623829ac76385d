"""The guard: what a folder may lose by one edit, counted over real bundles."""

import pytest

from lmctl.manifests.bundle import Bundle, read
from lmctl.planning.pruning import BLOCKED, may_be_empty, refusal

A, B = "/fleet/a", "/fleet/b"


def instance(name: str, **spec: str) -> str:
    more = "".join(f", {key}: {value}" for key, value in spec.items())
    return (
        f"apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {{name: {name}}}\n"
        f"spec: {{model: acme/m, identifier: {name}{more}}}\n"
    )


def server(**reconcile: str) -> str:
    words = ", ".join(f"{key}: {value}" for key, value in reconcile.items())
    return f"listen: {{port: 1234}}\nreconcile: {{{words}}}\n"


MODEL = "model: acme/m\nbase:\n- key: acme/k\n  sources: [{type: file, path: /m.gguf}]\n"


def bundle(folder: str = A, *names: str, models: int = 1, **files: str) -> Bundle:
    texts = {f"{folder}/{name}.yaml": instance(name) for name in names}
    texts |= {f"{folder}/{name}.yaml": text for name, text in files.items()}
    for number in range(models):
        text = MODEL if not number else MODEL.replace("acme/m", f"acme/m{number}", 1)
        texts[f"{folder}/{number}/model.yaml"] = text
    return read({path: text.encode() for path, text in texts.items()}).bundle


def said(before: Bundle, now: Bundle, *roots: str, allowed: int = 0) -> str:
    found = refusal(before, now, roots or (A,), allowed=allowed)
    assert found is None or found.code == BLOCKED
    return str(found.message) if found else ""


FOUR = bundle(A, "w", "x", "y", "z")


@pytest.mark.parametrize(
    ("now", "blocked"),
    [
        pytest.param(bundle(A, "w", "x", "y"), False, id="one of four"),
        pytest.param(bundle(A, "w", "x"), False, id="half"),
        pytest.param(bundle(A, "w"), True, id="three of four"),
        pytest.param(bundle(A), True, id="all instances, the model stays"),
        pytest.param(bundle(A, models=0), True, id="everything"),
        pytest.param(bundle(A, "1", "2", "3", "4", "5"), True, id="another fleet in its place"),
        pytest.param(bundle(A, "w", server=server(maxPrunePercent=75)), False, id="allowed by it"),
        pytest.param(bundle(A, "w", server=server(prune="false")), False, id="nothing is pruned"),
    ],
)
def test_a_folder_of_four(now, blocked):
    assert bool(said(FOUR, now)) is blocked


def test_one_object_may_always_go():
    one = bundle(A, "w")
    assert said(one, bundle(A)) == ""
    assert "declares nothing any more" in said(one, bundle(A, models=0))


def test_what_would_go_is_listed_with_the_way_to_allow_it():
    found = refusal(FOUR, bundle(A, "w"), (A,))
    assert found is not None
    assert found.message == (
        "this edit removes 75 % of the folder's objects, more than `maxPrunePercent: 50` allows; "
        "it would take down 3 of 4: instance/x, instance/y, instance/z"
    )
    assert found.hint == (
        "put them back, or allow it once with `lmctl apply --allow-prune 3 /fleet/a`"
    )
    assert found.place.file == A


def test_allowing_a_number_allows_no_more():
    assert said(FOUR, bundle(A, "w"), allowed=3) == ""
    assert said(FOUR, bundle(A), allowed=3)
    assert said(FOUR, bundle(A), allowed=4) == ""


def test_models_neither_count_nor_disarm_the_guard():
    """A stray object that counts would (argo-cd#23645)."""
    assert said(bundle(A, "w", models=9), bundle(A, "w", models=1)) == ""
    assert said(bundle(A, "w", "x", models=9), bundle(A, models=9))


def test_the_server_counts_and_its_policy_outlives_its_file():
    before = bundle(A, "w", server=server(maxPrunePercent=0))
    assert "this edit removes 100 %" in said(before, bundle(A))
    two = bundle(A, "w", "x", "y", "z", server=server(maxPrunePercent=0))
    assert said(two, bundle(A, "w", "x", "y"))


def test_a_server_that_says_not_to_prune_is_not_lost_with_its_file():
    before = bundle(A, "w", "x", server=server(prune="false"))
    assert said(before, bundle(A, server=server(prune="false"))) == ""
    assert "removes the server that says `prune: false`" in said(before, bundle(A, "w", "x"))
    assert said(before, bundle(A, "w", "x"), allowed=1) == ""


def test_a_rename_is_no_removal():
    now = bundle(
        A, "z", a=instance("a", renamedFrom="w"), b=instance("b", renamedFrom="x"),
        c=instance("c", renamedFrom="y"),
    )  # fmt: skip
    assert said(FOUR, now) == ""


def test_each_folder_counts_for_itself():
    def both(*names: str) -> Bundle:
        texts = {f"{A}/{each}.yaml": instance(each) for each in names if each in "wxyz"}
        texts |= {f"{B}/{each}.yaml": instance(each) for each in names if each not in "wxyz"}
        texts[f"{B}/m/model.yaml"] = MODEL
        return read({path: text.encode() for path, text in texts.items()}).bundle

    before = both("w", "x", "1", "2", "3", "4", "5", "6")
    assert "/fleet" not in said(before, both("w", "x", "1", "2", "3", "4", "5", "6"), A, B)
    refused = refusal(before, both("1", "2", "3", "4", "5", "6"), (A, B))
    assert refused is not None
    assert refused.place.file == A
    assert said(before, both("w", "x", "1", "2", "3"), A, B) == ""
    assert said(before, both("1", "2", "3", "4", "5", "6"), B) == ""  # A is not followed any more


def test_what_moved_to_another_folder_is_not_gone():
    before = bundle(A, "w", "x")
    assert said(before, bundle(B, "w", "x"), A, B) == ""


def test_a_folder_inside_another_is_counted_once():
    before = bundle(A, "w", "x", "y", "z")
    nested = f"{A}/inner"
    now = bundle(A, "w", "x")
    assert said(before, now, A, nested) == ""


def test_who_may_empty_a_folder():
    assert not may_be_empty(None)
    assert not may_be_empty(FOUR)
    assert not may_be_empty(FOUR, allowed=3)
    assert may_be_empty(FOUR, allowed=4)
    assert may_be_empty(bundle(A, "w", server=server(allowEmpty="true")))
    assert may_be_empty(bundle(A, models=0))  # it is empty already
