"""POST /api/v1/models/download and its status (contract 1.10, 1.11): jobs of the control plane."""

from datetime import UTC, datetime
from typing import Any

import msgspec
from falcon.asgi import Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lmctl.api.catalogue import NoSuchJob
from lmctl.api.errors import JSON_TYPE
from lmctl.api.managing import ask, body_of
from lmctl.base.errors import BadRequest, Unreachable
from lmctl.planning.downloads import DownloadView
from lmctl.serving.gateway import Gateway


class DownloadBody(BaseModel):
    """What is asked to be downloaded: a name or a link; `quantization` goes with a link only."""

    model_config = ConfigDict(extra="forbid", strict=True)

    model: str = Field(min_length=1)
    quantization: str | None = Field(None, min_length=1)


class DownloadModel:
    """Begins, and answers at once."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_post(self, req: Request, resp: Response) -> None:
        body = await body_of(req, self._gateway, DownloadBody)
        if body.quantization is not None and "://" not in body.model:
            raise BadRequest(
                "`quantization` goes with a link to Hugging Face only",
                param="quantization",
                code="invalid_value",
                hint=f"write {body.model}@{body.quantization}, or the link",
            )
        wish = {"model": body.model, "quantization": body.quantization or ""}
        told = await ask(self._gateway, "POST", "/downloads", wish, broken=Unreachable)
        _answer(resp, told)


class DownloadStatus:
    """How far one is."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def on_get(self, _req: Request, resp: Response, job_id: str) -> None:
        told = await ask(self._gateway, "GET", f"/downloads/{job_id}", missing=NoSuchJob)
        _answer(resp, told)


def _answer(resp: Response, told: dict[str, Any]) -> None:
    resp.content_type = JSON_TYPE
    resp.data = msgspec.json.encode(_job(msgspec.convert(told, DownloadView)))


def _job(view: DownloadView) -> dict[str, Any]:
    if view.status == "already_downloaded":
        return {"status": view.status}
    told: dict[str, Any] = {
        "job_id": view.id,
        "status": view.status,
        "total_size_bytes": view.total,
        "downloaded_bytes": view.done,
    }
    if view.rate:
        told["bytes_per_second"] = round(view.rate)
    times = {
        "started_at": view.started_at,
        "completed_at": view.completed_at,
        "estimated_completion": view.ends_at,
    }
    told |= {name: _iso(at) for name, at in times.items() if at is not None}
    if view.message and view.status != "completed":
        told["error"] = f"{view.message}. Hint: {view.hint}" if view.hint else view.message
    return told


def _iso(at: float) -> str:
    """Return unix seconds as the native API writes times: UTC, to the millisecond."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
