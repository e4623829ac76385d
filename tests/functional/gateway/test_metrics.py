"""GET /metrics of one worker: what is counted of requests, and what never is."""

import asyncio

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lmctl.adapters.metrics import catalogue
from lmctl.adapters.metrics.making import Bounded
from lmctl.planning.surface import Limits

SECRET = "the-prompt-must-not-be-seen"


async def scraped(server):
    answer = await server.get("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return answer.body.decode()


async def samples(server) -> dict[str, float]:
    """Every sample by its name and labels, as they are written."""
    found = {}
    for family in text_string_to_metric_families(await scraped(server)):
        for each in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(each.labels.items()))
            found[f"{each.name}{{{labels}}}"] = each.value
    return found


async def test_an_answer_is_counted_with_its_tokens_and_times(server, runner):
    await server.chat(model="chat")
    await server.chat(model="chat", stream=True)
    found = await samples(server)
    served = "instance=chat,route=chat"
    assert found[f"lmctl_requests_total{{code=200,{served}}}"] == 2
    assert found[f"lmctl_time_to_first_token_seconds_count{{{served}}}"] == 2
    assert found[f"lmctl_request_duration_seconds_count{{{served}}}"] == 2
    assert found[f"lmctl_prompt_tokens_sum{{{served}}}"] == 14
    assert found[f"lmctl_completion_tokens_sum{{{served}}}"] == 6
    assert found["lmctl_requests_inflight{}"] == found["lmctl_requests_parked{}"] == 0


async def test_rejections_are_counted_by_reason_and_names_of_clients_are_no_labels(server, box):
    box.serve(box.route("a"), box.route("b"))
    box.health(a=("failed", "out of memory"), b="ready")
    await server.ask("POST", "/v1/chat/completions", body=b"{")
    await server.chat(model="name-of-a-client")
    await server.chat(model="a")
    found = await samples(server)
    reasons = {key: value for key, value in found.items() if "rejected" in key}
    assert reasons == {
        "lmctl_requests_rejected_total{reason=invalid_json}": 1,
        "lmctl_requests_rejected_total{reason=model_not_found}": 1,
        "lmctl_requests_rejected_total{reason=model_not_ready}": 1,
    }
    assert found["lmctl_requests_total{code=400,instance=,route=}"] == 2
    assert found["lmctl_requests_total{code=503,instance=,route=a}"] == 1
    assert "name-of-a-client" not in await scraped(server)


async def test_a_stream_that_breaks_has_its_status_and_is_counted_as_broken(server, runner):
    runner.behave(fail_after=1)
    await server.chat(model="chat", stream=True)
    found = await samples(server)
    assert found["lmctl_streams_broken_total{instance=chat,route=chat}"] == 1
    assert found["lmctl_requests_total{code=200,instance=chat,route=chat}"] == 1


async def test_who_is_in_flight_waits_or_left_is_seen(server, box):
    box.serve(box.route(), limits=Limits(queue_deadline=30.0))
    hang_up = asyncio.Event()
    asking = asyncio.create_task(server.chat(model="chat", hang_up=hang_up))
    while (found := await samples(server))["lmctl_requests_parked{}"] == 0:
        continue  # each look lets the request go on
    assert found["lmctl_requests_inflight{}"] == 1
    hang_up.set()
    await asking
    found = await samples(server)
    assert found["lmctl_requests_inflight{}"] == found["lmctl_requests_parked{}"] == 0
    assert found["lmctl_requests_total{code=499,instance=,route=chat}"] == 1


async def test_runners_tell_of_themselves_and_who_does_not_answer_is_down(server, box, runner):
    box.serve(box.route(), box.route("gone"))
    found = await samples(server)
    assert found["lmctl_instance_up{instance=chat}"] == 1
    assert found["lmctl_instance_up{instance=gone}"] == 0
    assert found["lmctl_instance_phase{instance=chat,phase=ready}"] == 1
    assert found["lmctl_instance_requests_running{instance=chat}"] == 0
    assert "lmctl_instance_slots{instance=gone}" not in found
    assert runner.calls == []  # a scrape is no request


async def test_no_daemon_is_said_and_no_prompt_is_told(server, runner):
    await server.chat(model="chat", messages=[{"role": "user", "content": SECRET}])
    text = await scraped(server)
    assert "\nlmctl_control_plane_up 0.0\n" in text
    assert SECRET not in text
    assert "lmctl_turns_total" not in text


async def test_every_metric_of_the_gateway_is_of_the_catalogue(server, runner):
    await server.chat(model="chat", stream=True)
    families = list(text_string_to_metric_families(await scraped(server)))
    known = {each.name.removesuffix("_total"): each for each in _CATALOGUE}
    assert {each.name for each in families} == known.keys()
    for family in families:
        assert family.type == known[family.name].kind
        assert family.documentation == known[family.name].help


_CATALOGUE = (*catalogue.GATEWAY, *catalogue.RUNNERS)


@pytest.mark.parametrize("most", [0, 1, 3])
def test_too_many_names_are_counted_together(most):
    bounded = Bounded(most)
    told = [bounded((f"route-{n}", "x")) for n in range(5)]
    assert told == [(f"route-{n}", "x") for n in range(most)] + [("(other)", "(other)")] * (
        5 - most
    )
    assert bounded(("route-0", "x")) == told[0]
