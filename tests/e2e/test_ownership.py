"""Who an instance belongs to decides who may take it down: guards, orphans, and what is loaded by hand."""

import pytest

from tests.support.asking import ask

pytestmark = pytest.mark.e2e

NAMES = ("a", "b", "c", "d")


def server(box, **reconcile):
    words = ", ".join(f"{key}: {value}" for key, value in reconcile.items())
    box.write("server.yaml", f"listen: {{port: {box.port}}}\nreconcile: {{{words}}}\n")


def remove(box, *names):
    for name in names:
        (box.fleet / "instances" / f"{name}.yaml").unlink()


def instances(status):
    return {each.name: each for each in status.objects if each.kind == "instance"}


def test_too_large_a_removal_is_held_back_until_it_is_allowed_by_number(box):
    for name in NAMES:
        box.echo(name)
    box.apply()
    pids = {name: box.pid(f"instance/{name}") for name in NAMES}

    remove(box, "a", "b", "c")
    status = box.until(lambda s: any(each.code == "PruneBlocked" for each in s.problems))

    assert {name: box.pid(f"instance/{name}") for name in NAMES} == pids
    (blocked,) = (each for each in status.conditions if each.type == "PruneBlocked")
    assert blocked.status == "True"
    assert "3 of 5: instance/a, instance/b, instance/c" in blocked.message
    assert any(each.reason == "PruneBlocked" for each in box.client.events(0))
    refused = box.lmctl("apply", "--yes", str(box.fleet))
    assert (refused.code, "--allow-prune 3" in refused.err) == (2, True)

    allowed = box.lmctl("apply", "--yes", "--allow-prune", "3", str(box.fleet))

    assert allowed.code == 0, allowed.err
    assert set(instances(box.until_ready(generation=2))) == {"d"}
    assert box.pid("instance/d") == pids["d"]


def test_where_prune_is_off_what_left_the_files_goes_on_and_is_told(box):
    server(box, prune="false")
    box.echo("chat")
    box.echo("other")
    box.apply()
    other = box.pid("instance/other")

    remove(box, "other")
    status = box.until_ready(generation=2)

    orphan = instances(status)["other"]
    assert (orphan.facts["owner"], orphan.facts["pid"]) == ("orphan", other)
    assert ask(box.url, "still here", model="other").strip() == "still here"
    assert any(each.reason == "Orphaned" for each in box.client.events(0))
    assert box.lmctl("diff", str(box.fleet)).code == 0

    server(box, prune="true")
    assert set(instances(box.until(lambda s: s.ready and s.generation == 3))) == {"chat"}
