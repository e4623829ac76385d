"""Requests load what they name: once, for as long as it is used, at the cost of the one before."""

import asyncio
import json

import httpx2
import pytest

from tests.support.asking import ask
from tests.support.box import in_thread
from tests.support.tiny_bert import tiny_bert

pytestmark = pytest.mark.e2e

JIT = "{mode: jit}"
HELLO = [{"role": "user", "content": "one two three"}]


def server(box, **jit):
    words = ", ".join(f"{key}: {value}" for key, value in jit.items())
    box.write("server.yaml", f"listen: {{port: {box.port}}}\njit: {{{words}}}\n")


def instance(status, name):
    return next(each for each in status.objects if each.key == f"instance/{name}")


def phases(status):
    return {e.name: e.facts["phase"] for e in status.objects if e.kind == "instance"}


def events(box, reason):
    return [each for each in box.client.events(0) if each.reason == reason]


def loads(box, name):
    return [e for e in events(box, "Started") if e.message.startswith(f"load instance/{name}@")]


def test_twenty_requests_for_what_is_not_loaded_are_one_load_and_all_are_answered(box):
    box.write("server.yaml", f"listen: {{port: {box.port}, workers: 2}}\n")
    box.echo("chat", script='{"load_seconds": 0.5}', residency=JIT)
    box.apply()
    asleep = instance(box.status(), "chat")
    assert (asleep.ready, asleep.facts["owner"], asleep.facts["phase"]) == (True, "jit", None)
    assert "the first request for it loads it" in asleep.message
    with httpx2.Client(base_url=box.url) as client:
        assert [each["id"] for each in client.get("/v1/models").json()["data"]] == ["chat"]
        assert client.get("/readyz").status_code == 200

    async def together():
        async with httpx2.AsyncClient(base_url=box.url, timeout=60) as client:
            body = {"model": "chat", "messages": HELLO}
            return await asyncio.gather(
                *(
                    client.post("/v1/chat/completions", json=body | {"stream": n % 2 == 0})
                    for n in range(20)
                )
            )

    answers = asyncio.run(together())

    assert [each.status_code for each in answers] == [200] * 20
    assert all("three" in each.text for each in answers)
    status = box.until_ready()
    assert (phases(status)["chat"], instance(status, "chat").facts["ttl"]) == ("ready", 3600.0)
    assert instance(status, "chat").facts["remainingTtl"] > 3000
    assert len(loads(box, "chat")) == 1
    assert len(events(box, "Requested")) == 1
    assert box.lmctl("diff", str(box.fleet)).code == 0


def test_an_idle_one_goes_when_its_time_is_over_and_comes_back_when_asked(box):
    box.echo("chat", residency="{mode: jit, ttl: 1s}")
    box.apply()
    for _ in range(2):
        assert ask(box.url, "hello").strip() == "hello"
        box.until(lambda s: s.ready and phases(s)["chat"] is None)

    assert [each.subject for each in events(box, "Expired")] == ["instance/chat"] * 2
    assert "its time to live is over" in events(box, "Expired")[0].message


def test_a_request_says_how_long_what_it_loads_may_stay(box):
    box.echo("chat", residency=JIT)
    box.apply()
    body = {"model": "chat", "messages": HELLO, "ttl": 2}
    with httpx2.Client(base_url=box.url, timeout=60) as client:
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        loaded = instance(box.until_ready(), "chat")
        # Found loaded: this one says nothing about it (contract 2.3, rule 5).
        client.post("/v1/chat/completions", json=body | {"ttl": 900})
    assert loaded.facts["ttl"] == 2.0
    box.until(lambda s: s.ready and phases(s)["chat"] is None)


def test_the_next_one_takes_the_place_of_the_last_after_its_answers_are_out(box):
    box.echo("slow", script='{"token_seconds": 0.2}', residency=JIT)
    box.echo("next", residency=JIT)
    box.echo("pinned")
    box.apply()
    words = [str(number) for number in range(12)]

    async def drained():
        talking, next_ = asyncio.Event(), None
        heard = []
        async with httpx2.AsyncClient(base_url=box.url, timeout=60) as client:
            body = {"model": "slow", "stream": True}
            body["messages"] = [{"role": "user", "content": " ".join(words)}]
            async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
                async for line in answer.aiter_lines():
                    if line.startswith("data: {"):
                        delta = json.loads(line[6:])["choices"][0]["delta"]
                        heard.append(delta.get("content") or "")
                    if next_ is None and "0" in "".join(heard):
                        talking.set()
                        next_ = asyncio.create_task(in_thread(lambda: ask(box.url, "after", model="next")))  # fmt: skip
            return "".join(heard).split(), await next_

    heard, after = asyncio.run(drained())

    assert heard == words
    assert after.strip() == "after"
    status = box.until(lambda s: s.ready and phases(s)["slow"] is None)
    assert phases(status) == {"slow": None, "next": "ready", "pinned": "ready"}
    (evicted,) = events(box, "Evicted")
    assert evicted.subject == "instance/slow"
    assert "makes way for instance/next" in evicted.message


def test_where_all_may_stay_they_do(box):
    server(box, keepOnlyLast="false")
    for name in ("a", "b"):
        box.echo(name, residency=JIT)
    box.apply()
    for name in ("a", "b"):
        ask(box.url, "hello", model=name)
    assert phases(box.until_ready()) == {"a": "ready", "b": "ready"}


def test_a_model_that_embeds_and_one_that_talks_stay_beside_each_other(box):
    for name in ("a", "b"):
        box.echo(name, residency=JIT)
    tiny_bert().write(box.fleet / "bert.gguf")
    box.write(
        "models/bert/model.yaml",
        """\
        model: acme/bert
        base: [{key: acme/bert-gguf, sources: [{type: file, path: ../../bert.gguf}]}]
        """,
    )
    for name in ("bert", "bert-too"):
        box.instance(name, "acme/bert", residency=JIT)
    box.apply()

    ask(box.url, "hello", model="a")
    with httpx2.Client(base_url=box.url, timeout=60) as client:
        for name in ("bert", "bert-too"):
            body = {"model": name, "input": "the cat"}
            assert client.post("/v1/embeddings", json=body).status_code == 200
        body = {"model": "b", "max_tokens": 1, "messages": HELLO}
        counted = client.post("/v1/messages/count_tokens", json=body)
    assert counted.json()["input_tokens"] > 0

    status = box.until(lambda s: s.ready and phases(s)["bert"] is phases(s)["a"] is None)
    assert phases(status) == {"a": None, "b": "ready", "bert": None, "bert-too": "ready"}
    assert [each.subject for each in events(box, "Evicted")] == ["instance/bert", "instance/a"]


def test_two_clients_of_two_models_are_both_answered_though_only_one_may_stay(box):
    for name in ("a", "b"):
        box.echo(name, script='{"load_seconds": 0.3}', residency=JIT)
    box.apply()

    async def both():
        asked = [in_thread(lambda n=name: ask(box.url, n, model=n)) for name in "abab"]
        return await asyncio.gather(*asked)

    assert [each.strip() for each in asyncio.run(both())] == list("abab")
    status = box.until(
        lambda s: s.ready and sorted(map(str, phases(s).values())) == ["None", "ready"]
    )
    assert len(phases(status)) == 2


def test_what_cannot_be_loaded_is_told_to_who_asked_and_troubles_nobody_else(box):
    box.echo("bad", script='{"fail_load": "no such tensor"}', residency=JIT)
    box.echo("chat")
    box.apply()
    with httpx2.Client(base_url=box.url, timeout=60) as client:
        body = {"model": "bad", "messages": HELLO}
        for _ in range(2):
            answer = client.post("/v1/chat/completions", json=body)
            assert answer.status_code == 503
            assert "no such tensor" in answer.json()["error"]["message"]
            box.until(lambda s: s.ready and phases(s)["bad"] is None)
    assert events(box, "NotLoaded")


def test_where_requests_load_nothing_they_are_refused_and_people_still_can(box):
    server(box, enabled="false")
    box.echo("chat", residency=JIT)
    box.echo("other")
    box.echo("third")
    box.apply()
    with httpx2.Client(base_url=box.url, timeout=60) as client:
        refused = client.post("/v1/chat/completions", json={"model": "chat", "messages": HELLO})
        listed = [each["id"] for each in client.get("/v1/models").json()["data"]]
    assert refused.status_code == 400
    assert "no model named `chat`" in refused.json()["error"]["message"]
    assert listed == ["other", "third"]

    assert box.lmctl("load", "acme/chat").code == 0
    loaded = instance(box.until_ready(), "chat")
    assert (loaded.facts["owner"], loaded.facts["ttl"]) == ("manual", None)
    assert ask(box.url, "hello", model="chat").strip() == "hello"
    assert box.lmctl("unload", "chat").code == 0
    assert phases(box.until_ready())["chat"] is None


def test_a_route_to_what_waits_is_answered_and_a_new_daemon_goes_on(box):
    box.echo("chat", residency=JIT)
    box.write(
        "route.yaml",
        """\
        apiVersion: lmctl/v1alpha1
        kind: Route
        metadata: {name: small}
        spec: {targets: [{instance: chat}]}
        """,
    )
    box.apply()
    assert ask(box.url, "hello", model="small").strip() == "hello"
    pid = box.pid("instance/chat")
    box.kill(box.daemon_pid())
    assert ask(box.url, "hello", model="small").strip() == "hello"
    assert box.lmctl("daemon", "up").code == 0
    box.until_ready()
    assert box.pid("instance/chat") == pid

    assert box.lmctl("daemon", "down").code == 0
    assert box.lmctl("daemon", "up").code == 0
    assert phases(box.until_ready())["chat"] is None


def test_what_is_not_pruned_still_goes_when_its_time_is_over(box):
    box.write(
        "server.yaml",
        f"listen: {{port: {box.port}}}\nreconcile: {{prune: false}}\njit: {{ttl: 1s}}\n",
    )
    box.echo("chat", residency=JIT)
    box.apply()
    ask(box.url, "hello")
    box.until(lambda s: s.ready and phases(s)["chat"] is None)
