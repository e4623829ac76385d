"""The command line's end of a gateway: models and chats, of this box or another."""

import os
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any, Final

import httpx2
import msgspec

from lmctl.adapters.gateway_process import reached_at, read_note
from lmctl.adapters.home import Home
from lmctl.adapters.outbound import leave_for
from lmctl.base.errors import LmctlError, Unreachable

TOKEN: Final = "LM_API_TOKEN"  # noqa: S105 # the variable, as LM Studio's clients name it
_GREETING: Final = 2.0  # seconds
_SILENCE: Final = 60.0  # seconds; a gateway pings a stream that says nothing


@dataclass(frozen=True, slots=True)
class Known:
    """A language model a gateway offers: its key, and the identifiers it is loaded as."""

    key: str
    loaded: tuple[str, ...]


class GatewayClient:
    """Asks a gateway. Every method raises LmctlError with the gateway's own words when it refuses,
    and Unreachable when it does not answer.
    """

    def __init__(self, url: str) -> None:
        leave_for(url)
        self.url = url
        token = os.environ.get(TOKEN)
        self._http = httpx2.Client(
            base_url=url,
            headers={"authorization": f"Bearer {token}"} if token else {},
            timeout=httpx2.Timeout(10.0, read=_SILENCE),
        )

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    @property
    def port(self) -> int | None:
        """The port that is asked, None where the URL's scheme says it."""
        return self._http.base_url.port

    def models(self) -> list[Known]:
        """Return what can be chatted with, loaded models first."""
        found = [
            Known(each["key"], tuple(one["id"] for one in each["loaded_instances"]))
            for each in self.listing()
            if each["type"] == "llm"
        ]
        return sorted(found, key=lambda each: (not each.loaded, each.key))

    def listing(self) -> list[dict[str, Any]]:
        """Return every model that is there, as contract 1.7 has it."""
        models: list[dict[str, Any]] = self._json("GET", "/api/v1/models")["models"]
        return models

    def load(self, body: dict[str, Any]) -> dict[str, Any]:
        """Have a model loaded (contract 1.8); returns once it is."""
        return self._json("POST", "/api/v1/models/load", body, timeout=None)

    def unload(self, instance: str) -> str:
        """Have an instance unloaded; returns the id clients knew it by once it is gone."""
        body = {"instance_id": instance}
        told = self._json("POST", "/api/v1/models/unload", body, timeout=None)
        return str(told["instance_id"])

    def download(self, model: str) -> dict[str, Any]:
        """Have a model downloaded there (contract 1.10); returns the job as it begins."""
        return self._json("POST", "/api/v1/models/download", {"model": model})

    def download_status(self, job: str) -> dict[str, Any]:
        """Return how far a download is (contract 1.11)."""
        return self._json("GET", f"/api/v1/models/download/status/{job}")

    def greets(self) -> bool:
        """Say whether it calls itself an LM Studio server; other programs do not."""
        try:
            answer = self._http.get("/lmstudio-greeting", timeout=_GREETING)
        except httpx2.HTTPError:
            return False
        return b'"lmstudio"' in answer.content

    def _json(
        self, method: str, path: str, body: Any = None, *, timeout: float | None = _SILENCE
    ) -> dict[str, Any]:
        try:
            answer = self._http.request(
                method, path, json=body, timeout=httpx2.Timeout(10.0, read=timeout)
            )
            _check(answer)
        except httpx2.HTTPError as problem:
            raise self._unreachable(problem) from problem
        return msgspec.json.decode(answer.content, type=dict[str, Any])

    def chat(self, body: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        """Yield the events of one answer (contract 1.6); leaving early cancels it."""
        try:
            with self._http.stream("POST", "/api/v1/chat", json={**body, "stream": True}) as answer:
                if answer.is_error:
                    answer.read()
                    _check(answer)
                yield from _events(answer.iter_lines())
        except httpx2.HTTPError as problem:
            raise self._unreachable(problem) from problem

    def _unreachable(self, problem: Exception) -> Unreachable:
        return Unreachable(
            f"{self.url} does not answer: {problem}",
            hint="`lmctl status` says whether this box serves; `--host` names another",
        )


def url_of(host: str | None, home: Home) -> str:
    """Return the base URL of a gateway: of `host` (`box:1234`, `https://box`), else of this box.

    Raises LmctlError where this box has none.
    """
    if host:
        return host.rstrip("/") if "://" in host else f"http://{host}"
    note = read_note(home.run)
    addresses = [each for each in note.binds if not each.startswith("unix:")] if note else []
    if not addresses:
        raise LmctlError(
            "this box serves nothing", hint="`lmctl apply DIR` starts it; `--host` names another"
        )
    name, port = reached_at(addresses[0])
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def _events(lines: Iterable[str]) -> Generator[dict[str, Any], None, None]:
    """Yield the data of server-sent events; ours are of one line each."""
    for line in lines:
        if line.startswith("data:"):
            yield msgspec.json.decode(line.removeprefix("data:"), type=dict[str, Any])


def _check(answer: httpx2.Response) -> None:
    if not answer.is_error:
        return
    try:
        told = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        told = f"{answer.url} answered {answer.status_code}"
    hint = f"a token comes from `lmctl token create`; `{TOKEN}` hands it on"
    raise LmctlError(told, hint=hint if answer.status_code in (401, 403) else None)
