"""Who an instance belongs to decides who may take it down: guards, orphans, and what is loaded by hand."""

import httpx2
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


def by_hand(box, *words):
    ran = box.lmctl("load", *words, "--runtime", "echo")
    assert ran.code == 0, ran.err
    return ran


def only_a_model(box, name="extra"):
    """A model that no instance uses."""
    box.echo(name)
    remove(box, name)


def test_what_is_loaded_by_hand_survives_edits_and_a_new_daemon_and_goes_on_request(box):
    box.echo("chat")
    only_a_model(box)
    box.apply()

    loaded = by_hand(box, "acme/extra", "--identifier", "extra", "-c", "2048")

    assert "loaded instance/extra; clients know it as extra" in loaded.err
    assert "kind: Instance" in loaded.out
    assert "contextLength: 2048" in loaded.out
    assert ask(box.url, "hello", model="extra").strip() == "hello"
    pid = box.pid("instance/extra")
    assert instances(box.status())["extra"].facts["owner"] == "manual"
    assert "is there already" in by_hand(box, "acme/extra").err

    box.echo("chat", load="{contextLength: 2048}")
    box.until_ready(generation=2)
    box.kill(box.daemon_pid())
    assert box.lmctl("daemon", "up").code == 0
    box.until_ready(generation=2)
    assert box.pid("instance/extra") == pid

    refused = box.lmctl("unload", "chat")
    assert refused.code == 2
    assert "declared at" in refused.err
    assert "instances/chat.yaml" in refused.err
    gone = box.lmctl("unload", "extra")
    assert (gone.code, "unloaded instance/extra" in gone.err) == (0, True)
    assert set(instances(box.until_ready())) == {"chat"}


def test_a_declaration_takes_over_what_runs_already(box):
    only_a_model(box)
    box.echo("chat")
    box.apply()
    by_hand(box, "acme/extra", "--identifier", "extra")
    pid = box.pid("instance/extra")

    box.instance("renamed", "acme/extra", runtime="echo")
    box.write(
        "instances/renamed.yaml",
        (box.fleet / "instances" / "renamed.yaml")
        .read_text()
        .replace("identifier: renamed", "identifier: extra"),
    )

    box.until(lambda s: s.ready and owner(s, "renamed") == "fleet" and "extra" not in instances(s))
    box.until(lambda _: any(each.reason == "TakenOver" for each in box.client.events(0)))
    assert box.pid("instance/renamed") == pid
    assert not (box.home.root / "manual.json").read_text().count("extra")


def owner(status, name):
    found = instances(status).get(name)
    return found.facts["owner"] if found else None


def test_a_time_to_live_ends_what_is_idle(box):
    box.echo("chat")
    only_a_model(box)
    box.apply()
    by_hand(box, "acme/extra", "--ttl", "2s")
    box.until(lambda s: "extra" not in instances(s) and s.ready)
    (expired,) = (each for each in box.client.events(0) if each.reason == "Expired")
    assert expired.message.startswith("not used for 2.")


def test_the_native_api_loads_and_unloads_and_never_what_is_declared(box):
    box.echo("chat")
    box.instance("extra", "acme/chat", runtime="echo")  # a second id for the same model
    box.apply()

    def post(path, **sent):
        answer = httpx2.post(f"{box.url}/api/v1/models/{path}", json=sent, timeout=60)
        return answer.status_code, answer.json()

    status, loaded = post("load", model="acme/chat", echo_load_config=True)
    assert status == 200
    assert (loaded["instance_id"], loaded["status"]) == ("chat", "loaded")
    assert loaded["load_config"]["context_length"] == 4096

    status, refused = post("unload", instance_id="chat")
    assert status == 409
    assert refused["error"]["code"] == "declared"
    assert "instances/chat.yaml" in refused["error"]["message"]

    status, unknown = post("load", model="acme/nobody")
    assert (status, unknown["error"]["code"]) == (404, "model_not_found")
    status, odd = post("load", model="acme/chat", ttl=5)
    assert (status, odd["error"]["code"]) == (400, "unrecognized_keys")
    status, missing = post("unload")
    assert (status, missing["error"]["param"]) == (400, "instance_id")
    status, gone = post("unload", instance_id="nobody")
    assert (status, gone["error"]["code"]) == (404, "model_not_found")
