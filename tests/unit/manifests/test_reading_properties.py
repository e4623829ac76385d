"""Whatever the bytes: an answer, never an exception. Whatever the form: the same digest."""

import json
import random

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifest_texts import CHAT, EMBED, FLEET, MODEL, SERVER

from lmctl.manifests.bundle import read
from lmctl.manifests.report import render

BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
NAMES = st.sampled_from(
    ["a.yaml", "server.yaml", "model.yaml", "mcp.json", "x.preset.json", "x.model.yml"]
)
PIECES = st.sampled_from(
    [b"", b"\n", b"\t", b": ", b"- ", b"[", b"]", b"{", b"}", b'"', b"'", b"&a ", b"*a", b"<<: ",
     b"!!x ", b"\0", b"\xff", b"null", b"1e999", b".nan", b"~", b"---\n", b"%", b"@", b"\xe2\x80"]
)  # fmt: skip


@BOUNDED
@given(NAMES, st.binary(max_size=300))
def test_any_bytes_get_an_answer(name, content):
    render(read({name: content}).diagnostics, {name: content})


@BOUNDED
@given(NAMES, st.sampled_from(sorted(FLEET.values())), st.data())
def test_a_manifest_changed_anywhere_gets_an_answer(name, content, data):
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = data.draw(st.integers(start, min(len(content), start + 20)))
        content = content[:start] + data.draw(PIECES) + content[end:]
    reading = read({name: content})
    render(reading.diagnostics, {name: content})
    lines = content.split(b"\n")
    assert all(1 <= each.place.line <= len(lines) for each in reading.diagnostics)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["", "chat", "org/name", "5m", "max"]),
    lambda below: st.lists(below, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "key", "value", "fields", "model", "base", "spec", "gpu", "checked"]),
        below, max_size=3,
    ),
    max_leaves=8,
)  # fmt: skip


@BOUNDED
@given(
    NAMES,
    st.dictionaries(
        st.sampled_from(
            ["apiVersion", "kind", "metadata", "spec", "model", "base", "config", "customFields",
             "suggestions", "listen", "auth", "mcpServers", "operation", "metadataOverrides"]
        ),
        VALUES,
    ),
    st.booleans(),
)  # fmt: skip
def test_any_value_in_any_field_gets_an_answer(name, value, enveloped):
    if enveloped:
        head = {"apiVersion": "lmctl/v1alpha1", "kind": "Instance", "metadata": {"name": "a"}}
        value = {**head, "spec": {"model": "a/b", **value}}
    read({name: json.dumps(value).encode()})


@BOUNDED
@given(st.randoms(use_true_random=False), st.booleans())
def test_the_digest_does_not_know_order_form_comments_or_file_names(chance, flow):
    documents = [CHAT, EMBED, SERVER]
    expected = read({"a.yaml": CHAT, "b.yaml": EMBED, "server.yaml": SERVER}).bundle.digest
    written = {}
    for number, text in enumerate(documents):
        value = shuffled(yaml.safe_load(text), chance)
        again = yaml.safe_dump(value, sort_keys=False, default_flow_style=flow)
        folder = f"f{chance.randrange(9)}-{number}"
        name = "server.yaml" if text is SERVER else f"n{chance.randrange(9)}.yml"
        written[f"{folder}/{name}"] = f"# {chance.random()}\n{again}# end\n".encode()

    assert read(written).bundle.digest == expected


def shuffled(value, chance: random.Random):
    if isinstance(value, dict):
        pairs = [(key, shuffled(each, chance)) for key, each in value.items()]
        chance.shuffle(pairs)
        return dict(pairs)
    return value


def test_the_digest_of_a_model_knows_no_order_either():
    value = yaml.safe_load(MODEL)
    again = yaml.safe_dump(value, sort_keys=True).encode()

    assert read({"a/b/model.yaml": MODEL}).bundle.digest == (
        read({"a/b/x.model.yaml": again}).bundle.digest
    )
