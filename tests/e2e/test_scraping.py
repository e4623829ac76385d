"""GET /metrics of a whole box: gateway, runner and daemon together, and without the daemon."""

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from lmctl.adapters.metrics import catalogue
from tests.support.asking import ask

pytestmark = pytest.mark.e2e

# What was never counted is not there: workers share only what they wrote.
UNCOUNTED = {"lmctl_requests_rejected", "lmctl_streams_broken"}
SECRET = "the-prompt-must-not-be-seen"


def scrape(box):
    answer = httpx2.get(f"{box.url}/metrics")
    assert answer.status_code == 200
    assert SECRET not in answer.text
    families = list(text_string_to_metric_families(answer.text))
    names = [each.name for each in families]
    assert len(names) == len(set(names)), "a family is told twice"
    return {each.name: each.samples for each in families}


def value(found, family, name=None, **labels):
    wanted = [each for each in found[family] if labels.items() <= each.labels.items()]
    return sum(each.value for each in wanted if name in (None, each.name))


def test_one_scrape_tells_all_and_goes_on_without_the_daemon(box):
    box.echo()
    box.apply()
    ask(box.url, SECRET)
    found = scrape(box)
    every = (*catalogue.GATEWAY, *catalogue.RUNNERS, *catalogue.CONTROL)
    missing = {each.name.removesuffix("_total") for each in every} - found.keys()
    assert missing == UNCOUNTED
    assert value(found, "lmctl_control_plane_up") == 1
    assert value(found, "lmctl_requests", route="chat", instance="chat", code="200") == 1
    assert value(found, "lmctl_instance_requests", instance="chat") >= 1  # and its probes
    assert value(found, "lmctl_instance_memory_bytes", instance="chat") > 1024**2
    assert value(found, "lmctl_objects", kind="instance", condition="Ready") == 1
    assert value(found, "lmctl_reconcile", op="load", result="done") == 1
    assert value(found, "lmctl_generation") == 1

    pid = box.pid("instance/chat")
    box.kill(pid)
    box.until(lambda s: s.ready and s.objects[-1].facts["pid"] != pid)
    found = scrape(box)
    assert value(found, "lmctl_drift", kind="instance", type="load") == 1
    assert value(found, "lmctl_instance_restarts", instance="chat") == 1

    box.kill(box.daemon_pid())
    found = scrape(box)
    without = (*catalogue.GATEWAY, *catalogue.RUNNERS)
    assert found.keys() | UNCOUNTED == {each.name.removesuffix("_total") for each in without}
    assert value(found, "lmctl_control_plane_up") == 0
    assert value(found, "lmctl_requests", code="200") == 1
