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


PARENT = b"""\
model: org/parent
base: org/small
config: {load: {fields: [{key: llm.load.contextLength, value: 1024}, {key: llm.load.seed, value: 1}]}}
metadataOverrides: {domain: llm, vision: true, contextLengths: [4096], paramsStrings: [1B]}
customFields:
  - {key: think, type: boolean, defaultValue: true}
  - {key: style, type: string, defaultValue: plain}
suggestions:
  - {message: Think more, conditions: [{type: equals, key: $.think, value: false}]}
  - {message: Stay}
"""
CHILD = b"""\
model: org/child
base: org/parent
config: {load: {fields: [{key: llm.load.contextLength, value: 2048}]}}
metadataOverrides: {vision: false, paramsStrings: []}
customFields:
  - {key: think, type: boolean, defaultValue: false}
  - {key: depth, type: number, defaultValue: 3}
suggestions:
  - {message: Think more, conditions: [{type: equals, key: $.depth, value: 0}]}
  - {message: Go}
"""


def test_every_part_of_a_model_is_inherited_and_the_child_wins():
    files = {"model.yaml": MODEL, "p.model.yaml": PARENT, "c.model.yaml": CHILD}
    bundle = read(files).bundle
    found = bundle.resolve_base("org/child")

    assert found.chain == ("org/child", "org/parent", "org/small")
    assert found.load == {"llm.load.contextLength": 2048, "llm.load.seed": 1}
    assert [(each.key, each.default_value) for each in found.custom_fields] == [
        ("think", False),
        ("style", "plain"),
        ("depth", 3),
    ]
    assert [each.message for each in found.suggestions] == ["Think more", "Stay", "Go"]
    assert found.suggestions[0].conditions[0].key == "$.depth"
    metadata = found.metadata
    assert (metadata.domain, metadata.vision) == ("llm", False)
    assert (metadata.context_lengths, metadata.params_strings) == ((4096,), ())
    parent = bundle.resolve_base("org/parent")
    assert [each.default_value for each in parent.custom_fields] == [True, "plain"]
    assert parent.metadata.vision is True


def test_a_model_of_its_own_has_just_what_it_says():
    found = read({"model.yaml": MODEL}).bundle.resolve_base("org/small")

    assert (found.custom_fields, found.suggestions) == ((), ())
    assert found.metadata.model_fields_set == set()
