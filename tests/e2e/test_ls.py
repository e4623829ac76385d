"""`lmctl ls` tells which weights are here, declared or put there, with and without a daemon."""

import shutil

import pytest

from tests.support.models import smollm2

pytestmark = [pytest.mark.e2e, pytest.mark.engine]


def test_models_are_listed_with_what_their_headers_say(box):
    assert "no weights are here" in box.lmctl("ls").out
    box.smollm2(smollm2())
    box.instance("small", "acme/smollm2", load="{contextLength: 512}")
    put_there = box.home.root / "models" / "somebody" / "else" / "else-Q4_1.gguf"
    put_there.parent.mkdir(parents=True)
    shutil.copyfile(smollm2(), put_there)
    box.apply()

    ran = box.lmctl("ls", "-o", "json")

    assert ran.code == 0, ran.err
    declared, found = ran.json
    assert (declared["modelKey"], declared["loadedAs"]) == ("acme/smollm2", ["small"])
    assert declared["path"] == f"acme/smollm2/{smollm2().name}"
    assert found["indexedModelIdentifier"] == "somebody/else/else-Q4_1.gguf"
    assert declared["paramsString"] == found["paramsString"] == "135M"
    assert declared["quantization"] == {"name": "Q4_1", "bits": 4}
    assert (declared["architecture"], declared["format"]) == ("llama", "gguf")
    assert (found["modelKey"].partition("@")[0], found["loadedAs"]) == ("somebody/else", [])
    head, _, titles, *rows = box.lmctl("ls").out.splitlines()
    assert head.startswith("2 models, ")
    assert titles.split()[:3] == ["LLM", "PARAMS", "ARCH"]
    assert [row.split()[0] for row in rows] == [declared["modelKey"], found["modelKey"]]
    assert box.lmctl("ls", "somebody/else").out.startswith("1 model, ")
    assert box.lmctl("ls", "--embedding").out.startswith("no weights")
    entries = box.lmctl("ls", "--variants", "--json").json
    assert [each["model"] for each in entries] == ["acme/smollm2", "somebody/else"]
    assert box.lmctl("ls", "somebody/else", "--variants").code == 2
    missing = box.lmctl("ls", "nobody/nothing")
    assert (missing.code, "acme/smollm2" in missing.err) == (2, True)
