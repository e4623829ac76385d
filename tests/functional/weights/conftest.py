"""Servers, a store that does not wait between tries, and an environment without the machine's own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lmctl.adapters.weights.store import WeightsStore
from lmctl.adapters.weights.wanted import Timing
from tests.support.file_server import FileServer
from tests.support.localhub import LocalHub
from tests.support.package_server import PackageServer


@pytest.fixture
def files() -> Iterator[FileServer]:
    with FileServer.running() as server:
        yield server


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[LocalHub]:
    """A hub that is the only one this process knows, and nobody signed in."""
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "no-token"))
    with LocalHub.running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        yield server


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[PackageServer]:
    """A package index that is the only one pip knows."""
    for name in [each for each in os.environ if each.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "pip-cache"))
    with PackageServer.running() as server:
        monkeypatch.setenv("PIP_INDEX_URL", server.index)
        yield server


async def _at_once(_seconds: float) -> None:
    """Do not wait."""


@pytest.fixture
def store_at() -> Callable[..., WeightsStore]:
    """Make a store with short deadlines that tries again at once."""

    def make(home: Path, **more) -> WeightsStore:
        timing = Timing(connect=1, first_byte=1, stall=1.5)
        return WeightsStore(home, **{"timing": timing, "sleep": _at_once, **more})

    return make


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(store_at: Callable[..., WeightsStore], home: Path) -> WeightsStore:
    return store_at(home)
