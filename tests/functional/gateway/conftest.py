import asyncio

import pytest

from lmctl.adapters.background_notes import BackgroundNotes
from lmctl.adapters.conversations import TurnFile
from lmctl.adapters.runner_client import ask as ask_runner
from lmctl.api.app import create_app
from lmctl.api.loading import through_daemon
from lmctl.serving.background import Backgrounds
from lmctl.serving.gateway import Gateway
from lmctl.serving.snapshot import Snapshots
from lmctl.serving.stored import Conversations
from tests.support import asgi
from tests.support.gateway_box import Box
from tests.support.tiny_runner import tiny_runner

HELLO = {"messages": [{"role": "user", "content": "one two three"}]}


class GatewayUnderTest:
    """The real app over a real run folder; `post` and `get` speak ASGI to it."""

    def __init__(self, box: Box) -> None:
        self.box = box
        snapshots = Snapshots(box.folder)
        self.gateway = Gateway(snapshots, ask_runner, through_daemon(snapshots))
        notes = BackgroundNotes(box.folder / "background")
        turns = TurnFile(box.folder / "conversations.db")
        self.conversations = Conversations(turns, Backgrounds(notes))
        self.app = create_app(self.gateway, self.conversations, silence=0.02)

    async def ask(self, method, path, **given):
        async with asyncio.timeout(10):
            return await asgi.ask(self.app, method, path, **given)

    async def get(self, path, **given):
        return await self.ask("GET", path, **given)

    async def chat(self, *, hang_up=None, heard=None, headers=None, **body):
        return await self.ask(
            "POST",
            "/v1/chat/completions",
            json_body=HELLO | body,
            hang_up=hang_up,
            heard=heard,
            headers=headers,
        )


@pytest.fixture
def box(tmp_path):
    return Box(tmp_path)


@pytest.fixture
def server(box):
    return GatewayUnderTest(box)


@pytest.fixture
async def runner(box):
    """One ready runner behind the route `chat`."""
    box.serve(box.route())
    box.health(chat="ready")
    async with tiny_runner(box.socket()) as running:
        yield running
