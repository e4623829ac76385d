"""Asking a box the way a client does, over HTTP, with the stream in hand."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

PATIENCE = 60.0


def ask(url: str, text: str, model: str = "chat", **more: Any) -> str:
    """Return the whole answer."""
    answer = httpx2.post(
        f"{url}/v1/chat/completions", json=body(text, model, **more), timeout=PATIENCE
    )
    assert answer.status_code == 200, answer.text
    content: str = answer.json()["choices"][0]["message"]["content"]
    return content


def body(text: str, model: str = "chat", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


@contextmanager
def streaming(url: str, text: str, model: str = "chat", **more: Any) -> Iterator[Iterator[Any]]:
    """Give the events of a streamed answer as they come; `[DONE]` comes as None."""
    sent = body(text, model, stream=True, **more)
    with httpx2.stream("POST", f"{url}/v1/chat/completions", json=sent, timeout=PATIENCE) as answer:
        assert answer.status_code == 200, answer.read().decode()
        yield _events(answer)


def _events(answer: httpx2.Response) -> Iterator[Any]:
    for line in answer.iter_lines():
        if line == "data: [DONE]":
            yield None
        elif line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def text_of(events: Any) -> str:
    """Return the text of all events together."""
    return "".join(
        choice["delta"].get("content", "")
        for event in events
        if event is not None
        for choice in event["choices"]
    )
