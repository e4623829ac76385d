"""Which names lead to something that must be loaded first (contract 1.4)."""

import pytest

from lmctl.planning.surface import AliasTarget, Loadable, ServedAlias, ServedRoute, Surface
from lmctl.serving.routes import is_known, public_names, resolve, to_load

SERVED = ServedRoute("talk", "chat", "acme/small", "/run/chat.sock", "d")
WAITING = Loadable("think", "acme/large", "deep")
BARE = Loadable("acme/tiny", "acme/tiny")
SURFACE = Surface(
    routes=(SERVED,),
    aliases=(
        ServedAlias("fast", ("fast",), (AliasTarget("chat"), AliasTarget("deep"))),
        ServedAlias("slow", ("slow",), (AliasTarget("gone"),), fallback=("deep",)),
        ServedAlias("off", ("off",), (AliasTarget("deep", 0), AliasTarget("chat", 1))),
    ),
    loadable=(WAITING, BARE),
)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param("think", WAITING, id="its id"),
        pytest.param("ACME/Large", WAITING, id="its model in any case"),
        pytest.param("acme/TINY", BARE, id="a model no instance uses"),
        pytest.param("slow", WAITING, id="a route whose fallback waits"),
        pytest.param("fast", None, id="a route that is served"),
        pytest.param("off", None, id="a target without a share"),
        pytest.param("talk", None, id="what is loaded"),
        pytest.param("acme/small", None, id="the model of what is loaded"),
        pytest.param("Think", None, id="ids have a case"),
        pytest.param("nobody", None, id="unknown"),
        pytest.param(None, None, id="nothing named"),
        pytest.param("../../etc/passwd", None, id="a path"),
    ],
)
def test_a_name_leads_to_what_must_be_loaded(asked, found):
    assert to_load(SURFACE, asked) == found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("acme/tiny@q4_k_m", "acme/tiny"),
        ("Acme/Tiny@q4_k_m", "acme/tiny"),
        ("tiny", "acme/tiny"),
        ("Tiny@q4_k_m", "acme/tiny"),
        ("acme/two", "acme/two@q4"),
        ("acme/two@q8", "acme/two@q8"),
        ("two@Q8", "acme/two@q8"),
        ("acme/two@q2", None),
        ("same", None),
        ("other/same", "other/same"),
        ("@q4", None),
        ("", None),
    ],
)
def test_a_model_is_known_by_variant_and_without_its_publisher(asked, found):
    keys = ("acme/tiny", "acme/two@q8", "acme/two@q4", "acme/same", "other/same")
    surface = Surface(loadable=tuple(Loadable(each, each) for each in keys))
    loadable = to_load(surface, asked)
    assert (loadable.model if loadable else None) == found

    routes = tuple(ServedRoute(f"r{n}", f"i{n}", key, "", "d") for n, key in enumerate(keys))
    assert is_known(Surface(routes=routes), asked) is (found is not None)
    if found is not None:
        assert resolve(Surface(routes=routes), asked).routes[0].model == found


def test_what_can_be_loaded_is_listed():
    listed = ["acme/tiny", "fast", "off", "slow", "talk", "think"]
    assert public_names(SURFACE) == listed
