"""A hand-driven ASGI client, for what Falcon's TestClient cannot act out.

TestClient hangs up as soon as the request body is sent, so a streamed answer is cut after its
first event. This client stays on the line until it is told to leave.
"""

import asyncio
import json
from dataclasses import dataclass, field


@dataclass
class Answer:
    """What came back: `pieces` are the body messages in the order they were sent."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def data(self) -> list[str]:
        """The `data:` lines of an event stream, in order."""
        lines = self.body.decode().split("\n")  # splitlines() would split at U+2028 too
        return [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]

    @property
    def events(self) -> list[dict]:
        """The JSON of those lines, without the closing [DONE]."""
        return [json.loads(each) for each in self.data if each != "[DONE]"]


async def ask(
    app,
    method,
    path,
    *,
    json_body=None,
    body=b"",
    headers=None,
    client=("127.0.0.1", 1),
    hang_up=None,
    heard=None,
):
    """Send one request and read the answer to its end, or leave once `hang_up` is set.

    `heard`, an asyncio.Queue, gets every piece of the body as it comes.
    """
    answer = Answer()
    content = json.dumps(json_body).encode() if json_body is not None else body
    messages = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive():
        if messages:
            return messages.pop(0)
        await (hang_up or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(event):
        if event["type"] == "http.response.start":
            answer.status = event["status"]
            answer.headers = {k.decode(): v.decode() for k, v in event["headers"]}
            return
        if piece := event.get("body", b""):
            answer.pieces.append(piece)
            if heard is not None:
                heard.put_nowait(piece)

    given = {"content-type": "application/json", "host": "127.0.0.1:1234"} | (headers or {})
    given["content-length"] = str(len(content))
    await app(_scope(method, path, given, client), receive, send)
    return answer


def _scope(method, path, headers, client):
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        "client": client,
        "server": ("127.0.0.1", 80),
    }
