"""Metrics of a gateway with several workers: sums are right, whoever of them is asked."""

import asyncio

import httpx2
import psutil
from prometheus_client.parser import text_string_to_metric_families

from tests.contract.conftest import running_gateway

ASK = {"model": "chat", "messages": [{"role": "user", "content": "one two"}]}
DONE = {"route": "chat", "instance": "chat", "code": "200"}


async def scrape(url: str) -> dict[str, list]:
    async with httpx2.AsyncClient() as fresh:  # a connection of its own: any worker may answer
        answer = await fresh.get(f"{url}/metrics")
    families = text_string_to_metric_families(answer.text)
    return {each.name: each.samples for each in families}


def value(found, family, **labels) -> float:
    return sum(each.value for each in found[family] if labels.items() <= each.labels.items())


async def ask(url: str) -> None:
    async with httpx2.AsyncClient() as fresh:
        answer = await fresh.post(f"{url}/v1/chat/completions", json=ASK)
    assert answer.status_code == 200


async def test_sums_over_workers_survive_the_death_of_one(box, runner):
    async with running_gateway(box, workers=2) as gateway:
        url = f"http://{gateway.address}"
        first, second = psutil.Process(gateway.process.pid).children()
        for resting in (first, second):  # so that each of them has something to count
            resting.suspend()
            for _ in range(10):
                await ask(url)
            resting.resume()
        for _ in range(5):
            found = await scrape(url)
            assert value(found, "lmctl_requests", **DONE) == 20
            assert value(found, "lmctl_completion_tokens", le="+Inf") == 20
            assert value(found, "lmctl_requests_inflight") == 0

        [folder] = box.folder.glob("metrics-*")
        assert len(list(folder.glob("counter_*.db"))) == 2

        runner.behave(hold=True)
        stuck = asyncio.create_task(ask(url))
        await runner.asked.wait()
        while value(await scrape(url), "lmctl_requests_inflight") == 0:
            continue
        for worker in (first, second):  # one of them has it
            worker.kill()
        await gateway.logged("ASGI server listening", times=4)
        await asyncio.gather(stuck, return_exceptions=True)
        found = await scrape(url)
        assert value(found, "lmctl_requests", **DONE) == 20
        assert value(found, "lmctl_requests_inflight") == 0

        left = box.folder / "metrics-999999999"  # of a gateway that was killed
        left.mkdir()
        assert await gateway.end() == 0
        assert not folder.exists()
    async with running_gateway(box):
        assert not left.exists()
