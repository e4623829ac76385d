"""Loaded by hand beside what files declare: who wins, what is refused, and in which words."""

import pytest

from lmctl.base.errors import Conflict, NotFound, Refused
from lmctl.manifests.bundle import read
from lmctl.planning.loading import Wish, decide, to_unload
from lmctl.planning.manual_loads import ManualLoad
from lmctl.planning.resolve import HostFacts, resolve

MODEL = "model: {0}\nbase:\n- key: {0}-k\n  sources: [{{type: file, path: /m.gguf}}]\n"


def instance(name="chat", model="acme/small", **spec):
    more = "".join(f", {key}: {value}" for key, value in spec.items())
    return (
        f"apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {{name: {name}}}\n"
        f"spec: {{model: {model}{more}}}\n"
    )


def world(*loads, **files):
    texts = {f"/fleet/{name}.yaml": text for name, text in files.items()}
    texts |= {f"/fleet/{m}/model.yaml": MODEL.format(f"acme/{m}") for m in ("small", "large")}
    bundle = read({path: text.encode() for path, text in texts.items()}).bundle
    return resolve(bundle, HostFacts(sockets="/run/lmctl", manual=loads))


def decided(wish, *loads, **files):
    desired = world(*loads, **files).desired
    known = [each.model for each in desired.weights]
    return decide(wish, desired, known, now=7.0)


BY_HAND = ManualLoad("large", "acme/large", "acme/large", ttl=60.0)
CHAT = instance(identifier="chat", load="{contextLength: 8192}")


def test_a_load_is_an_instance_of_its_own_owner_in_no_file():
    resolution = world(BY_HAND, chat=CHAT)
    assert not resolution.fatal
    chat, large = resolution.desired.instances
    assert (chat.owner, large.owner, large.ttl, large.places) == ("fleet", "manual", 60.0, {})
    routes = {each.name: each.instance for each in resolution.desired.surface.routes}
    assert routes == {"chat": "chat", "acme/large": "large"}


def test_a_load_changes_no_digest_and_is_not_lost_with_an_edit():
    names = [each.name for each in world(BY_HAND).desired.instances]
    assert names == ["large"]
    bundle = read({"/fleet/s/model.yaml": MODEL.format("acme/small").encode()}).bundle
    resolved = resolve(bundle, HostFacts(sockets="/run", manual=(BY_HAND,)))
    assert [each.message for each in resolved.diagnostics] == [
        "instance/large, loaded by hand, cannot be had: no model `acme/large` is declared or stored"
    ]
    assert not resolved.fatal  # what is declared is not held up by it


@pytest.mark.parametrize(
    ("declared", "name", "before"),
    [
        pytest.param(instance("large", "acme/large"), "large", None, id="same name"),
        pytest.param(
            instance("big", "acme/large", identifier="acme/large"), "big", "large", id="same id"
        ),
    ],
)
def test_a_declaration_takes_a_load_over_with_its_process(declared, name, before):
    desired = world(BY_HAND, it=declared).desired
    (found,) = desired.instances
    assert (found.name, found.owner, found.renamed_from) == (name, "fleet", before)
    assert desired.taken_over == {"large": name}
    alone = world(BY_HAND).desired.instances[0]
    assert found.spec_digest == alone.spec_digest  # so that its process is adopted


def test_a_new_load_gets_a_free_name():
    decision = decided(Wish("ACME/Large", ttl=5.0, load={"contextLength": 1024}), chat=CHAT)
    assert decision.new == ManualLoad(
        "large", "acme/large", "acme/large", load={"contextLength": 1024}, ttl=5.0, at=7.0
    )
    assert decided(Wish("acme/large", identifier="Chat!"), chat=CHAT).name == "chat-2"


@pytest.mark.parametrize(
    "wish",
    [
        Wish("acme/small"),
        Wish("acme/small", identifier="chat"),
        Wish("acme/small", load={"contextLength": 8192}),
        Wish("acme/small", ttl=60.0),
    ],
)
def test_what_is_declared_already_is_the_answer(wish):
    decision = decided(wish, chat=CHAT)
    assert (decision.name, decision.identifier, decision.new) == ("chat", "chat", None)


def test_loading_twice_by_hand_makes_no_second_one_and_changes_what_is_asked():
    assert decided(Wish("acme/large"), BY_HAND).new is None
    longer = decided(Wish("acme/large", load={"contextLength": 1024}), BY_HAND).new
    assert (longer.name, longer.load) == ("large", {"contextLength": 1024})


def test_what_is_declared_is_not_loaded_otherwise():
    with pytest.raises(Conflict) as caught:
        decided(Wish("acme/small", load={"contextLength": 1024}), chat=CHAT)
    assert str(caught.value) == (
        "`chat` is declared at /fleet/chat.yaml:1 with other settings "
        "(load.contextLength: 8192 -> 1024)"
    )
    assert "lmctl set instance/chat load.contextLength=1024" in caught.value.hint
    with pytest.raises(Conflict, match=r"`chat` is instance/chat, which runs acme/small at /fleet"):
        decided(Wish("acme/large", identifier="chat"), chat=CHAT)


def test_what_cannot_be_loaded_is_said():
    with pytest.raises(NotFound, match="no model `acme/lage` is declared") as caught:
        decided(Wish("acme/lage"))
    assert caught.value.hint == "did you mean `acme/large`?"
    with pytest.raises(Refused, match="contextLength"):
        decided(Wish("acme/large", load={"contextLength": "much"}))


def test_what_is_declared_is_unloaded_by_an_edit_only():
    desired = world(BY_HAND, chat=CHAT).desired
    with pytest.raises(Conflict) as caught:
        to_unload("chat", desired)
    assert str(caught.value) == (
        "instance/chat is declared at /fleet/chat.yaml:1, and what is declared stays loaded"
    )
    assert caught.value.hint == (
        "delete it from /fleet/chat.yaml to unload it, or `lmctl suspend instance/chat` to have it "
        "left alone"
    )
    assert to_unload("acme/large", desired).name == to_unload("large", desired).name == "large"
    with pytest.raises(NotFound) as missing:
        to_unload("other", desired)
    assert missing.value.hint == "loaded by hand: large"


def test_a_runtime_that_is_not_there_is_told_with_the_nearest_one():
    with pytest.raises(NotFound, match=r"no runtime `lama\.cpp` is bundled or declared") as told:
        decided(Wish("acme/small", runtime="lama.cpp"))
    assert told.value.hint == "did you mean `llama.cpp`?"


def test_another_runtime_is_another_load_and_nothing_a_file_is_overruled_by():
    small = ManualLoad("small", "acme/small", "acme/small")
    assert decided(Wish("acme/small", runtime="echo"), small).new.runtime == "echo"
    assert decided(Wish("acme/small", runtime="llama.cpp"), small).new is None
    with pytest.raises(Conflict, match=r"other settings \(runtime: llama.cpp -> echo\)") as told:
        decided(Wish("acme/small", "chat", runtime="echo"), chat=CHAT)
    assert "`lmctl set instance/chat runtime=echo`" in told.value.hint
