"""What requests load: whose it is, how long it stays, what there is to load, who makes way."""

import pytest

from lmctl.base.errors import Conflict
from lmctl.manifests.bundle import read
from lmctl.planning.desired import Leaving
from lmctl.planning.known_models import KnownModel, KnownModels
from lmctl.planning.loading import Wish, decide, to_unload
from lmctl.planning.manual_loads import ManualLoad
from lmctl.planning.on_demand import in_the_way
from lmctl.planning.plan import LoadInstance, UnloadInstance
from lmctl.planning.planner import make_plan
from lmctl.planning.resolve import HostFacts, resolve
from lmctl.planning.surface import Loadable
from tests.support.worlds import observed, seen, stored

MODEL = "model: {0}\nbase:\n- key: {0}-k\n  sources: [{{type: file, path: /m.gguf}}]\n"


def instance(name, model, **spec):
    more = "".join(f", {key}: {value}" for key, value in spec.items())
    return (
        f"apiVersion: lmctl/v1alpha1\nkind: Instance\nmetadata: {{name: {name}}}\n"
        f"spec: {{model: {model}{more}}}\n"
    )


CHAT = instance("chat", "acme/small", identifier="talk", residency="{mode: jit}")


def wanted(*loads, server="", **files):
    texts = {f"/fleet/{name}.yaml": text for name, text in files.items()}
    texts |= {f"/fleet/{m}/model.yaml": MODEL.format(f"acme/{m}") for m in ("small", "large")}
    texts["/fleet/server.yaml"] = server or "{}"
    reading = read({path: text.encode() for path, text in texts.items()})
    resolution = resolve(reading.bundle, HostFacts(sockets="/run/lmctl", manual=loads))
    assert not resolution.fatal
    return resolution.desired


def jit(name, model, **more):
    return ManualLoad(name, model, model, owner="jit", **more)


def test_an_instance_that_waits_for_requests_is_resolved_and_not_wanted():
    desired = wanted(chat=CHAT)
    assert desired.instances == ()
    (chat,) = desired.asleep
    assert (chat.name, chat.owner, chat.ttl) == ("chat", "jit", 3600.0)
    assert desired.surface.routes == ()
    assert desired.surface.loadable == (
        Loadable("talk", "acme/small", "chat"),
        Loadable("acme/large", "acme/large"),
    )
    assert [each.model for each in desired.weights] == ["acme/large", "acme/small"]


def test_a_request_wakes_it_as_it_is_declared():
    desired = wanted(jit("chat", "acme/small"), chat=CHAT)
    (chat,) = desired.instances
    assert (chat.owner, chat.identifier, desired.asleep) == ("jit", "talk", ())
    assert chat.places[""] == "/fleet/chat.yaml:1"
    assert [(each.name, each.on_demand) for each in desired.surface.routes] == [("talk", True)]
    assert [each.name for each in desired.surface.loadable] == ["acme/large"]


def test_where_requests_load_nothing_nothing_is_loadable():
    assert wanted(chat=CHAT, server="jit: {enabled: false}").surface.loadable == ()


@pytest.mark.parametrize(
    ("asked", "residency", "server", "ttl"),
    [
        pytest.param(None, "mode: jit", "", 3600.0, id="the default"),
        pytest.param(None, "mode: jit", "jit: {ttl: 5m}", 300.0, id="the server's"),
        pytest.param(None, "mode: jit, ttl: 2m", "jit: {ttl: 5m}", 120.0, id="its own"),
        pytest.param(7.0, "mode: jit, ttl: 2m", "jit: {ttl: 5m}", 7.0, id="the request's"),
        pytest.param(None, "mode: jit", "jit: {autoUnload: false}", None, id="none"),
        pytest.param(7.0, "mode: jit", "jit: {autoUnload: false}", 7.0, id="only the request's"),
    ],
)
def test_how_long_it_stays_without_requests(asked, residency, server, ttl):
    chat = instance("chat", "acme/small", residency=f"{{{residency}}}")
    desired = wanted(jit("chat", "acme/small", ttl=asked), chat=chat, server=server)
    assert desired.instances[0].ttl == ttl


def test_a_model_without_an_instance_is_loaded_under_its_key():
    desired = wanted(jit("large", "acme/large"))
    (large,) = desired.instances
    assert (large.identifier, large.owner, large.ttl) == ("acme/large", "jit", 3600.0)
    assert [each.name for each in desired.surface.loadable] == ["acme/small"]


def test_a_wish_for_what_waits_wakes_it_and_makes_no_second_one():
    desired = wanted(chat=CHAT)
    known = [each.model for each in desired.weights]
    for wish in (Wish("ACME/small", owner="jit"), Wish("acme/small", "talk", owner="jit")):
        decision = decide(wish, desired, known, now=3.0)
        assert (decision.name, decision.identifier) == ("chat", "talk")
        assert decision.new == ManualLoad("chat", "acme/small", "talk", at=3.0, owner="jit")
    with pytest.raises(Conflict, match=r"declared at /fleet/chat\.yaml:1 with other settings"):
        decide(Wish("acme/small", load={"contextLength": 77}), desired, known, now=3.0)


def test_what_a_request_finds_loaded_stays_as_it_is_and_a_person_may_keep_it():
    desired = wanted(jit("chat", "acme/small"), chat=CHAT)
    known = [each.model for each in desired.weights]
    assert decide(Wish("acme/small", ttl=9.0, owner="jit"), desired, known, now=3.0).new is None
    kept = decide(Wish("acme/small"), desired, known, now=3.0).new
    assert (kept.name, kept.owner, kept.ttl) == ("chat", "manual", None)
    (chat,) = wanted(kept, chat=CHAT).instances
    assert (chat.owner, chat.ttl) == ("manual", None)
    assert to_unload("talk", desired).name == "chat"


def test_a_request_may_bring_settings_for_what_no_file_declares_only():
    wish = Wish("acme/large", load={"contextLength": 333}, owner="jit")
    new = decide(wish, wanted(), ["acme/large"], now=3.0).new
    assert wanted(new).instances[0].load.context_length == 333

    asleep = Wish("acme/small", load={"contextLength": 333}, owner="jit")
    woken = decide(asleep, wanted(chat=CHAT), ["acme/small"], now=3.0).new
    assert wanted(woken, chat=CHAT).instances[0].load.context_length == 4096

    awake = wanted(jit("chat", "acme/small"), chat=CHAT)
    assert decide(asleep, awake, ["acme/small"], now=3.0).new is None


def test_what_is_declared_to_stay_takes_a_load_over():
    pinned = instance("large", "acme/large")
    desired = wanted(jit("large", "acme/large"), large=pinned)
    assert desired.taken_over == {"large": "large"}
    assert desired.instances[0].owner == "fleet"


def test_what_makes_way_ends_before_the_next_one_is_loaded():
    loads = (
        jit("large", "acme/large", leaving=Leaving("makes way for instance/chat", makes_way=True)),
        jit("chat", "acme/small"),
    )
    desired = wanted(*loads, chat=CHAT)
    before = wanted(jit("large", "acme/large"), chat=CHAT).instances[0]
    weights = tuple(stored(each) for each in desired.weights)
    plan = make_plan(desired, observed(seen(before), weights=weights))

    (unload,) = [each for each in plan.steps if isinstance(each.step, UnloadInstance)]
    (load,) = [each for each in plan.steps if isinstance(each.step, LoadInstance)]
    assert unload.because == "makes way for instance/chat"
    assert unload.key in load.after
    assert load.because == "a request asks for it"


@pytest.mark.parametrize("prune", ["true", "false"])
def test_what_is_over_ends_whether_or_not_files_are_pruned(prune):
    server = f"reconcile: {{prune: {prune}}}"
    running = wanted(jit("large", "acme/large"), server=server).instances[0]
    over = jit("large", "acme/large", leaving=Leaving("not used for 1h00m"))
    desired = wanted(over, server=server)
    weights = tuple(stored(each) for each in desired.weights)
    plan = make_plan(desired, observed(seen(running), weights=weights))

    (unload,) = [each for each in plan.steps if isinstance(each.step, UnloadInstance)]
    assert unload.because == "not used for 1h00m"


VECTORS = KnownModels((KnownModel("acme/small@q8_0", "embedding"), KnownModel("acme/large")))


@pytest.mark.parametrize(
    ("policy", "known", "out"),
    [
        pytest.param("", VECTORS, [], id="another type stays"),
        pytest.param("perType: false", VECTORS, ["large"], id="unless only one of all may"),
        pytest.param("", KnownModels(), ["large"], id="what is not known counts as an llm"),
        pytest.param("keepOnlyLast: false", KnownModels(), [], id="all may stay"),
    ],
)
def test_the_last_one_of_its_type_makes_way(policy, known, out):
    pinned = instance("pinned", "acme/large", identifier="pinned")
    loads = (jit("large", "acme/large"), ManualLoad("mine", "acme/large", "mine"))
    desired = wanted(*loads, server=f"jit: {{{policy}}}", pinned=pinned)
    found = in_the_way(desired, "small", "acme/small@q8_0", known)
    assert [each.name for each in found] == out
