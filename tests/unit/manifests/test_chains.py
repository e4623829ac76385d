"""Models made of models."""

from manifest_texts import MODEL

from lmctl.manifests.bundle import read


def chained(*pairs: tuple[str, str], fields: str = "") -> dict[str, bytes]:
    return {
        f"{key.replace('/', '-')}.model.yaml": f"model: {key}\nbase: {base}\n{fields}".encode()
        for key, base in pairs
    }


def test_a_chain_ends_in_weights_and_the_child_wins():
    child = (
        b"model: org/child\nbase: org/small\nconfig:\n  operation:\n    fields:\n"
        b"      - {key: llm.prediction.temperature, value: 0}\n"
    )
    bundle = read({"model.yaml": MODEL, "child.model.yaml": child}).bundle
    found = bundle.resolve_base("org/child")

    assert found.chain == ("org/child", "org/small")
    assert [each.key for each in found.entries] == ["org/small-gguf"]
    assert found.operation["llm.prediction.temperature"] == 0
    assert found.operation["llm.prediction.minPSampling"] == 0.1
    assert found.load == {"llm.load.contextLength": 8192}
    assert bundle.resolve_base(bundle.models["org/small"]).chain == ("org/small",)


def test_a_chain_that_leaves_the_bundle_names_where_it_goes_and_warns():
    reading = read(chained(("org/a", "org/b"), ("org/b", "local/model")))
    found = reading.bundle.resolve_base("org/a")

    assert (found.entries, found.beyond) == ((), "local/model")
    assert not reading.fatal
    assert [each.message for each in reading.diagnostics] == [
        "no manifest declares the model `local/model`"
    ]


def test_a_circle_is_an_error_at_every_model_on_it_and_leading_to_it():
    reading = read(chained(("org/a", "org/b"), ("org/b", "org/c"), ("org/c", "org/b")))

    assert [each.message for each in reading.diagnostics] == [
        "`base` runs in a circle: org/a -> org/b -> org/c -> org/b",
        "`base` runs in a circle: org/b -> org/c -> org/b",
        "`base` runs in a circle: org/c -> org/b -> org/c",
    ]
    assert reading.bundle.resolve_base("org/a").cyclic
