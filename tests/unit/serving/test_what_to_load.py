"""Which names lead to something that must be loaded first (contract 1.4)."""

import pytest

from lmctl.planning.surface import AliasTarget, Loadable, ServedAlias, ServedRoute, Surface
from lmctl.serving.routes import public_names, to_load

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


def test_what_can_be_loaded_is_listed():
    listed = ["acme/tiny", "fast", "off", "slow", "talk", "think"]
    assert public_names(SURFACE) == listed
