"""The command line's end of what the daemon does with the hub: search, choices, downloads."""

from collections.abc import Generator
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from lmctl.adapters.outbound import leave_for
from lmctl.cli.client import DaemonClient
from lmctl.planning.choices import Choices
from lmctl.planning.downloads import DownloadView, FoundRepo, Removed

_HUB: Final = "the hub"
_HUB_DEADLINE = 30.0  # seconds; a question to the hub takes at most eight


class DownloadClient(DaemonClient):
    """Asks a running daemon for models of the hub; raises as DaemonClient does.

    What the hub says no to (gated, unknown, unreachable) comes as NotFound, Refused or LmctlError
    with its hint.
    """

    def search(self, words: str, *, format: str = "gguf", limit: int = 20) -> tuple[FoundRepo, ...]:  # noqa: A002 - the word people know
        """Return repositories that fit words, those downloaded most first."""
        leave_for(_HUB)
        query = urlencode({"query": words, "format": format, "limit": limit})
        answer = self._ask("GET", f"hub/search?{query}", timeout=_HUB_DEADLINE)
        return msgspec.json.decode(answer, type=_Searched).found

    def choices(self, model: str) -> Choices:
        """Return what a name (`owner/repo`, `owner/repo@Q4_K_M`) or link offers, with size and fit."""
        leave_for(_HUB)
        answer = self._ask(
            "GET", f"hub/choices?{urlencode({'model': model})}", timeout=_HUB_DEADLINE
        )
        return msgspec.json.decode(answer, type=Choices)

    def download(self, model: str, quantization: str = "") -> DownloadView:
        """Begin a download, or go on with one; what suits this machine best if nothing is asked."""
        leave_for(_HUB)
        body = {"model": model, "quantization": quantization}
        return _view(self._ask("POST", "downloads", body, timeout=_HUB_DEADLINE))

    def downloads(self) -> tuple[DownloadView, ...]:
        """Return every download that is remembered, in the order they were asked for."""
        return msgspec.json.decode(self._ask("GET", "downloads"), type=_Listed).downloads

    def download_of(self, job: str) -> DownloadView:
        return _view(self._ask("GET", _path(job)))

    def pause_download(self, job: str) -> DownloadView:
        return _view(self._ask("POST", f"{_path(job)}/pause"))

    def resume_download(self, job: str) -> DownloadView:
        return _view(self._ask("POST", f"{_path(job)}/resume"))

    def cancel_download(self, job: str) -> DownloadView:
        """Give it up; returns how far it was."""
        return _view(self._ask("DELETE", _path(job)))

    def remove(self, model: str) -> Removed:
        """Remove a downloaded model. Raises NotFound, and Refused where it is declared or in use."""
        answer = self._ask("DELETE", f"models/{quote(model)}", timeout=None)
        return msgspec.json.decode(answer, type=Removed)

    def follow_download(self, job: str) -> Generator[DownloadView, None, None]:
        """Yield how it is now and after every change, until nothing more will happen by itself."""
        self.download_of(job)  # which says so when there is none
        for line in self._lines(f"{_path(job)}?watch=1", silence=60.0):
            yield _view(line)


class _Searched(msgspec.Struct):
    found: tuple[FoundRepo, ...]


class _Listed(msgspec.Struct):
    downloads: tuple[DownloadView, ...]


def _view(content: bytes | str) -> DownloadView:
    return msgspec.json.decode(content, type=DownloadView)


def _path(job: str) -> str:
    return f"downloads/{quote(job, safe='')}"
