"""`lmctl estimate` and `lmctl facts` as installed, and what a box learns of its runners."""

import pytest

from lmctl.planning.fit.estimate import ECHO_PROCESS
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.host_profile_file import read
from tests.support.asking import ask

pytestmark = pytest.mark.e2e

SMALL = """\
apiVersion: lmctl/v1alpha1
kind: HostProfile
metadata: {name: tiny}
spec:
  os: linux
  arch: x86_64
  cores: {logical: 2, physical: 1, usable: 1.0}
  memory: {total: 2Gi, limit: 600Mi, others: 590Mi}
  disk: {total: 10Gi, free: 5Gi}
"""


def test_a_profile_of_this_machine_can_be_estimated_for(box, tmp_path):
    box.echo()
    written = box.lmctl("facts")
    profile = tmp_path / "here.yaml"
    profile.write_text(written.out)
    assert written.code == 0
    assert isinstance(read("here.yaml", profile.read_bytes()), HostProfile)
    ran = box.lmctl("estimate", str(box.fleet), "--host-profile", str(profile), "-o", "json")
    assert ran.code == 0, ran.err
    (row,) = ran.json["instances"]
    assert (row["name"], row["total"], row["confidence"]) == ("chat", ECHO_PROCESS + 2, "high")
    assert ran.json["fits"]
    assert not box.home.root.exists()


def test_what_does_not_fit_elsewhere_says_so_in_numbers(box, tmp_path):
    box.echo()
    profile = tmp_path / "tiny.yaml"
    profile.write_text(SMALL)
    ran = box.lmctl("estimate", str(box.fleet), "--host-profile", str(profile))
    assert ran.code == 3, ran.err
    assert (
        "balanced (in force)  10.0 MiB    does not fit: needs 35.0 MiB, 10.0 MiB of 10.0 MiB free "
        "for models (other programs use 590.0 MiB of 600.0 MiB)" in ran.out
    )
    off = box.lmctl(
        "estimate", str(box.fleet), "--host-profile", str(profile), "--guardrails", "off"
    )
    assert off.code == 0, off.err


def test_what_cannot_be_estimated_is_said(box):
    for words, said in (
        ((), "nothing to estimate: no folder given, and this box follows none"),
        (("nowhere.gguf",), "there is no file `nowhere.gguf`"),
        (("--host-profile", "no.yaml"), "cannot read no.yaml: No such file"),
        (("--kv-type", "q9"), "expected one of f32, f16, q8_0"),
        (("--guardrails", "none"), "expected one of off, relaxed, balanced"),
    ):
        ran = box.lmctl("estimate", *words)
        assert ran.code == 2, ran
        assert said in ran.err


def test_a_box_learns_what_its_runners_take(box):
    box.echo()
    box.echo("other", script='{"reply": "no"}')
    box.apply()
    before = box.lmctl("estimate", "instance/chat", "-o", "json").json
    assert before["instances"][0]["confidence"] == "high"
    assert before["beside"] > 0
    ask(box.url, "word " * 600, max_tokens=1)
    box.apply()
    ran = box.lmctl("estimate", "-o", "json")
    rows = {each["name"]: each for each in ran.json["instances"]}
    assert rows["chat"]["confidence"] == "measured"
    (runner,) = [e.facts for e in box.status().objects if e.key == "instance/chat"]
    assert rows["chat"]["total"] >= runner["memory"]
    assert rows["other"]["confidence"] == "high"
    changed = box.lmctl("estimate", "instance/chat", "--parallel", "9", "-o", "json").json
    assert changed["instances"][0]["learned"] == rows["chat"]["learned"]
    assert changed["instances"][0]["confidence"] == "high"
    unknown = box.lmctl("estimate", "instance/nobody")
    assert unknown.code == 2
    assert "hint: there is: instance/chat, instance/other" in unknown.err
