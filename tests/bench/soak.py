"""Mixed traffic for a given time: what daemon, gateway and runner take over it, errors, what is left inside.

    python tests/bench/soak.py [--minutes 60] [--share 0.3]

Clients talk, read long prompts, hold answers to a schema, ask for what is wrong, and leave in the
middle; once a minute a manifest is edited. They ask only while the box has used less than `--share` of
a core. Before and after, every sequence is filled to its end: that works only if no cell of the cache
was lost meanwhile. Exits with 1 after an error, a process that was replaced, or memory that grew.
"""

import argparse
import asyncio
import contextlib
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx2
import msgspec
import psutil

from lmctl.adapters import runner_client
from lmctl.base.spec import RunnerStatus
from lmctl.planning.surface import Surface
from tests.bench import run
from tests.support.box import Box
from tests.support.models import smollm2

CONTEXT, PARALLEL, CLIENTS = 1024, 4, 3
LOAD = f"{{contextLength: {CONTEXT}, parallel: {PARALLEL}, cpuThreadPoolSize: 1}}"
BREATH = 0.2  # seconds a client waits before it looks whether it may ask
MOST_GROWTH = 5.0  # MiB from the second quarter of the time to the last
SAMPLES = 60  # rows of figures
STORY = "the old man and a boy went down to the sea where boats lay in the sun and nobody spoke"
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}


class Wrong(Exception):
    """An answer that is not what was asked for."""


@dataclass
class Client:
    """One of several who ask; `chance` decides what, `talk` is its conversation so far."""

    http: httpx2.AsyncClient
    chance: random.Random
    talk: list[dict[str, str]] = field(default_factory=list)

    def text(self, words: int) -> str:
        return " ".join(self.chance.choices(STORY.split(), k=words))


async def post(client: Client, path: str, body: dict[str, Any], *, status: int = 200) -> Any:
    answer = await client.http.post(path, json={"model": "chat", **body})
    if answer.status_code != status:
        raise Wrong(f"{path}: {answer.status_code} {answer.text[:200]}")
    return answer.json()


async def talks(client: Client) -> None:
    """One more turn of a conversation; most of it was read before."""
    if len(client.talk) > 6:
        client.talk.clear()
    client.talk.append({"role": "user", "content": client.text(12)})
    body = {"model": "chat", "messages": client.talk, "max_tokens": 16, "stream": True}
    said = []
    async with client.http.stream("POST", "/v1/chat/completions", json=body) as answer:
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                delta = msgspec.json.decode(line[6:])["choices"][0]["delta"]
                said.append(delta.get("content") or "")
            elif line:
                last = line
    if answer.status_code != 200 or last != "data: [DONE]":
        raise Wrong(f"a stream ended with {answer.status_code} {last[:200]}")
    client.talk.append({"role": "assistant", "content": "".join(said) or "."})


async def completes(client: Client) -> None:
    body = {"prompt": client.text(30), "max_tokens": 24, "seed": 7, "temperature": 0.7}
    await post(client, "/v1/completions", body)


async def reads(client: Client) -> None:
    await post(client, "/v1/completions", {"prompt": client.text(600), "max_tokens": 4})


async def responds(client: Client) -> None:
    await post(client, "/v1/responses", {"input": client.text(10), "max_output_tokens": 16})


async def fills(client: Client) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
    messages = [{"role": "user", "content": client.text(8)}]
    body = {"messages": messages, "response_format": form, "max_tokens": 60}
    await post(client, "/v1/chat/completions", body)


async def errs(client: Client) -> None:
    await post(client, "/v1/completions", {"prompt": "hello", "max_tokens": "many"}, status=400)
    await post(client, "/v1/messages", {"messages": []}, status=400)


async def leaves(client: Client) -> None:
    """Go away after a few pieces of an answer."""
    body = {"model": "chat", "prompt": client.text(20), "max_tokens": 200, "stream": True}
    async with client.http.stream("POST", "/v1/completions", json=body) as answer:
        lines = 0
        async for line in answer.aiter_lines():
            lines += bool(line)
            if lines == 4:
                return


async def leaves_early(client: Client) -> None:
    """Go away while the prompt is read."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(client.chance.uniform(0.02, 1.0)):
            await reads(client)


KINDS: tuple[Callable[[Client], Awaitable[None]], ...] = (
    talks, talks, talks, completes, completes, reads, responds, fills, errs, leaves, leaves_early,
)  # fmt: skip


@dataclass
class Soak:
    """The box under traffic, and what was seen of it."""

    box: Box
    share: float
    seconds: float
    socket: str
    asked: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    rows: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.begun = time.monotonic()
        self.pids = self._pids()
        self.before = self._used()

    def _pids(self) -> dict[str, int]:
        return {
            "daemon": self.box.daemon_pid(),
            "gateway": self.box.pid("server/gateway"),
            "runner": self.box.pid("instance/chat"),
        }

    def _family(self, name: str) -> list[psutil.Process]:
        first = psutil.Process(self.pids[name])
        return [first, *first.children(recursive=True)] if name == "gateway" else [first]

    def _used(self) -> float:
        return sum(run.busy(each) for name in self.pids for each in self._family(name))

    @property
    def passed(self) -> float:
        return time.monotonic() - self.begun

    def may_ask(self) -> bool:
        return self._used() - self.before < self.share * self.passed

    async def status(self) -> RunnerStatus:
        return await runner_client.status(self.socket, timeout=60)

    async def sample(self) -> None:
        now = self._pids()
        self.errors += [f"{name} was replaced" for name in now if now[name] != self.pids[name]]
        self.pids = now
        found = {
            name: sum(each.memory_info().rss for each in self._family(name)) / run.MIB
            for name in now
        }
        status = await self.status()
        self.rows.append({"minute": self.passed / 60, **found, "held": status.work.held})
        told = "  ".join(f"{name} {value:7.1f}" for name, value in self.rows[-1].items())
        run.say(f"{told}  answers {self.asked.total()}  errors {len(self.errors)}")

    async def watch(self) -> None:
        while self.passed < self.seconds:
            await asyncio.sleep(self.seconds / SAMPLES)
            edit = f"{{maxTokens: {100 + len(self.rows) % 2}}}"
            self.box.instance("chat", "acme/chat", load=LOAD, operation=edit)
            await self.sample()

    async def client(self, number: int) -> None:
        async with httpx2.AsyncClient(base_url=self.box.url, timeout=300) as http:
            client = Client(http, random.Random(number))
            while self.passed < self.seconds:
                await asyncio.sleep(BREATH)
                if not self.may_ask():
                    continue
                kind = client.chance.choice(KINDS)
                try:
                    await kind(client)
                except Exception as error:  # noqa: BLE001 - whatever went wrong is the finding
                    self.errors.append(f"{kind.__name__}: {error!r}")
                    run.say(f"  ! {self.errors[-1]}")
                self.asked[kind.__name__] += 1

    async def filled(self) -> list[str]:
        """Return what every sequence says when all are filled at once, to their last cell."""
        async with httpx2.AsyncClient(base_url=self.box.url, timeout=600) as http:
            client = Client(http, random.Random(0))
            bodies = [
                {"prompt": f"{number} " + client.text(600), "max_tokens": CONTEXT, "temperature": 0,
                 "repeat_penalty": 1.0, "logit_bias": {str(token): bias for token, bias in run.ENDS}}
                for number in range(PARALLEL)
            ]  # fmt: skip
            answers = await asyncio.gather(
                *(post(client, "/v1/completions", each) for each in bodies)
            )
        for each in answers:
            if (tokens := each["usage"]["total_tokens"]) < CONTEXT - 1:
                self.errors.append(f"a sequence was full after {tokens} of {CONTEXT} tokens")
        return [each["choices"][0]["text"] for each in answers]

    async def run(self) -> None:
        first = await self.filled()
        self.begun, self.before = time.monotonic(), self._used()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.watch())
            for number in range(CLIENTS):
                tasks.create_task(self.client(number))
        took = f"{self.passed / 60:.0f} minutes, {(self._used() - self.before) / self.passed:.2f} of a core"
        async with aclosing(runner_client.watch(self.socket)) as statuses:
            async for status in statuses:
                if not status.running and not status.queued:
                    break
        run.say(f"at rest: {status.work.held} tokens kept for who comes next")
        run.say(f"asked {dict(self.asked)} in {took}")
        last = await self.filled()
        alike = sum(one == other for one, other in zip(first, last, strict=True))
        run.say(f"filled to the end before and after: {alike} of {PARALLEL} answers alike")

    def verdict(self) -> bool:
        grown = {name: self._growth(name) for name in self.pids}
        told = ", ".join(f"{name} {mib:+.1f} MiB" for name, mib in grown.items())
        run.say(f"grown from the second quarter to the last: {told}; errors: {len(self.errors)}")
        return not self.errors and max(grown.values()) <= MOST_GROWTH

    def _growth(self, name: str) -> float:
        values = [row[name] for row in self.rows]
        quarter = max(1, len(values) // 4)
        second = values[quarter : 2 * quarter] or values
        return statistics.median(values[-quarter:]) - statistics.median(second)


def declare(box: Box, *, weights: Path) -> None:
    run.declare_weights(box, weights=weights)
    box.instance("chat", "acme/chat", load=LOAD)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--share", type=float, default=0.3, help="of one core, of all processes")
    given = parser.parse_args()
    with run.box_that(partial(declare, weights=smollm2())) as box:
        surface = msgspec.json.decode((box.home.run / "surface.json").read_bytes(), type=Surface)
        soak = Soak(box, given.share, given.minutes * 60, surface.routes[0].socket)
        asyncio.run(soak.run())
        return 0 if soak.verdict() else 1


if __name__ == "__main__":
    sys.exit(main())
