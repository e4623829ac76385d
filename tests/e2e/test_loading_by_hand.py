"""A file somebody has is imported, estimated, loaded by a few letters of its name, and declared."""

import pytest

from tests.support.models import smollm2
from tests.support.terminal import terminal

pytestmark = [pytest.mark.e2e, pytest.mark.engine]


def test_from_a_file_to_a_declared_instance(box):
    file = box.root / "smol-Q4_1.gguf"
    file.symlink_to(smollm2())
    ran = box.lmctl("import", str(file), "-l", "--user-repo", "somebody/smol", "--json")
    assert (ran.code, ran.json["modelKey"]) == (0, "somebody/smol"), ran.err
    fresh = box.lmctl("load", "smol", "--estimate-only")  # before the box was told anything
    assert (fresh.code, "Estimate: fits" in fresh.out) == (0, True), fresh.err
    box.echo()
    box.apply()

    told = box.lmctl("load", "smol", "--estimate-only", "-c", "2048")
    assert told.code == 0, told.err
    assert "taking somebody/smol" in told.err
    assert "Model: somebody/smol\nContext Length: 2048\n" in told.out
    assert "Estimated Total Memory: " in told.out
    assert "Estimate: fits (balanced)" in told.out
    wide = box.lmctl("load", "smol", "--estimate-only", "-c", "500000000", "--json")
    assert (wide.code, wide.json["fits"]) == (3, False)
    assert {each["identifier"] for each in box.lmctl("ps", "--json").json} == {"chat"}

    loaded = box.lmctl("load", "smol", "-c", "512", "--gpu", "off", "--declare", "--json",
                       "--set", "useUnifiedKvCache=true", "--set", "speculativeDraftSimple=false")  # fmt: skip
    assert (loaded.code, loaded.json["new"]) == (0, True), loaded.err
    written = box.fleet / "instances" / "smol.yaml"
    assert f"wrote {written}" in loaded.err
    text = written.read_text()
    assert "contextLength: 512" in text
    assert "ratio: 'off'" in text or "ratio: off" in text
    assert "speculativeDraftSimple: false" in text
    assert box.lmctl("load", "smol", "--set", "nothing").code == 2
    box.until(lambda status: status.ready and "instance/smol" in {o.key for o in status.objects
                                                                 if o.facts.get("owner") == "fleet"})  # fmt: skip
    refused = box.lmctl("unload", "smol")
    assert (refused.code, "declared at" in refused.err) == (2, True)


def test_what_is_declared_is_unloaded_by_an_edit_that_is_offered(box):
    box.echo()
    box.apply()
    file = box.fleet / "instances" / "chat.yaml"
    before = file.read_text()
    with terminal("unload", "chat", env=env(box)) as shown:
        shown.until("instance/chat is declared")
        shown.until(f"Write it to {file}? [y/N]: ")
        shown.type("n\r")
        shown.until("declared at")
        assert (shown.ended(), file.read_text()) == (2, before)
    with terminal("unload", "chat", env=env(box)) as shown:
        shown.until("[y/N]: ")
        shown.type("y\r")
        shown.until("the box follows it")
        assert shown.ended() == 0
    assert "mode: jit" in file.read_text()
    box.until(lambda _: box.lmctl("ps", "--json").json == [])


def env(box):
    return {"LMCTL_HOME": str(box.home.root), "NO_COLOR": "1"}


def test_what_is_loaded_here_can_be_loaded_and_unloaded_from_another_box(box):
    box.echo()
    box.echo("extra")
    box.apply()
    (box.fleet / "instances" / "extra.yaml").unlink()
    box.until(lambda status: "instance/extra" not in {each.key for each in status.objects})
    here = f"127.0.0.1:{box.port}"
    assert box.lmctl("load", "acme/extra", "--host", here, "--identifier", "x").code == 2

    assert box.lmctl("unload").code == 2  # nothing was loaded by hand
    assert box.lmctl("load", "acme/extra", "--runtime", "echo").code == 0
    assert {each["identifier"] for each in box.lmctl("ps", "--json", "--host", here).json} == {
        "chat",
        "acme/extra",
    }
    gone = box.lmctl("unload", "acme/extra", "--host", here, "--json")
    assert gone.json == {"identifier": "acme/extra"}, gone.err
    again = box.lmctl("load", "extra", "--runtime", "echo")
    assert (again.code, "taking acme/extra" in again.err) == (0, True)
    assert "unloaded instance/extra" in box.lmctl("unload").err
