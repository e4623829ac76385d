"""Runtimes, Routes, checks and policies: what each says once it is read."""

from manifest_texts import FLEET

from lmctl.base.json_schema import fault, mismatch
from lmctl.manifests.bundle import read

ROUTES = b"""\
apiVersion: lmctl/v1alpha1
kind: Route
metadata: {name: any}
spec:
  targets: [{instance: chat, weight: 3}, {instance: embed, weight: 0}]
  fallback: [chat, embed]
---
apiVersion: lmctl/v1alpha1
kind: Route
metadata: {name: aliases}
spec:
  names: [gpt-4o-mini, openai/gpt-4o]
  targets: [{instance: chat}]
---
apiVersion: lmctl/v1alpha1
kind: Runtime
metadata: {name: cuda}
spec: {engine: llama.cpp, version: "0.3.36", buildFlags: [-DGGML_CUDA=on], environment: {CUDA_VISIBLE_DEVICES: "0"}}
"""


def test_routes_and_runtimes_are_part_of_what_a_fleet_says():
    reading = read({**FLEET, "fleet/routes.yaml": ROUTES})
    bundle = reading.bundle

    assert reading.diagnostics == ()
    assert {name: each.names for name, each in bundle.routes.items()} == {
        "aliases": ("gpt-4o-mini", "openai/gpt-4o"),
        "any": ("any",),
    }
    assert [each.weight for each in bundle.routes["any"].spec.targets] == [3, 0]
    assert bundle.runtimes["cuda"].spec.package == "llama-cpp-python"
    assert bundle.digest != read(FLEET).bundle.digest
    other = ROUTES.replace(b"weight: 3", b"weight: 4")
    assert bundle.digest != read({**FLEET, "fleet/routes.yaml": other}).bundle.digest


def test_the_bundled_runtimes_need_no_file():
    text = FLEET["fleet/instances.yaml"].replace(b"identifier: chat", b"runtime: echo")

    assert read({"a.yaml": text}).bundle.instances["chat"].spec.runtime == "echo"


def test_policies_have_defaults_that_heal_and_guard():
    reconcile = read(FLEET).bundle.server.spec.reconcile

    assert (reconcile.drift, reconcile.prune, reconcile.allow_empty) == ("correct", True, False)
    assert (reconcile.max_prune_percent, reconcile.keep_generations) == (50, 5)
    assert reconcile.scrub == 7 * 24 * 3600


def test_a_schema_is_told_from_what_is_none_and_tells_what_does_not_fit():
    schema = {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "$defs": {"n": {}}}

    assert fault(schema) is None
    assert mismatch(schema, {"n": 1}) is None
    assert mismatch(schema, []) == "[] is not of type 'object'"
    assert mismatch({"properties": {"n": {"type": "integer"}}}, {"n": "x"}) == (
        "`n`: 'x' is not of type 'integer'"
    )
    assert mismatch({"$ref": "#/$defs/gone"}, 1) == (
        "the schema refers to what it does not have: /$defs/gone"
    )
    assert fault({"items": [{"$ref": "other.json"}]}) == (
        "`items`: [{'$ref': 'other.json'}] is not of type 'object', 'boolean'"
    )
    assert fault({"allOf": [{"$ref": "other.json"}]}) == (
        "`$ref: other.json` leads out of the schema"
    )
