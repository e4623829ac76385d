"""The part of the control API that finds models on the hub and downloads them.

GET    /lmctl/v1/hub/search?query=WORDS&format=gguf&limit=20   repositories, most downloaded first
GET    /lmctl/v1/hub/choices?model=NAME        what one offers, and what suits this machine
POST   /lmctl/v1/downloads                     {"model", "quantization"} begin, or go on with it
GET    /lmctl/v1/downloads                     every download that is remembered
GET    /lmctl/v1/downloads/ID                  one; with watch=1 a JSON line per change till it ends
POST   /lmctl/v1/downloads/ID/pause, …/resume  stop it, go on with it
DELETE /lmctl/v1/downloads/ID                  give it up
DELETE /lmctl/v1/models/NAME                   remove a downloaded model; how many bytes that freed
"""

from collections.abc import AsyncIterator
from typing import Literal

import falcon
import falcon.asgi
import msgspec
from falcon.asgi import Request, Response

from lmctl.daemon.box import Box
from lmctl.daemon.control_asked import asked
from lmctl.daemon.hub_offers import HubOffers
from lmctl.daemon.removing import remove
from lmctl.planning.downloads import DownloadView

_QUIET = 1.0  # seconds after which a watcher gets a line although nothing changed
_LINES = "application/x-ndjson"
_FORMATS: dict[str, Literal["gguf", "mlx"]] = {"gguf": "gguf", "mlx": "mlx"}


def add_download_routes(app: "falcon.asgi.App[Request, Response]", box: Box) -> None:
    """Serve the hub and the downloads of a box."""
    offers = HubOffers(box)
    app.add_route("/lmctl/v1/hub/search", SearchResource())
    app.add_route("/lmctl/v1/hub/choices", ChoicesResource(offers))
    app.add_route("/lmctl/v1/models/{name:path}", ModelResource(box))
    app.add_route("/lmctl/v1/downloads", DownloadsResource(box, offers))
    app.add_route("/lmctl/v1/downloads/{job}", DownloadResource(box))
    app.add_route("/lmctl/v1/downloads/{job}/{verb}", DownloadVerbResource(box))


class SearchResource:
    """Repositories that fit words."""

    async def on_get(self, req: Request, resp: Response) -> None:
        from lmctl.adapters.weights import hub_search  # slow to import, see store

        wanted = _FORMATS.get(req.get_param("format", default="gguf"))
        if wanted is None:
            raise falcon.HTTPBadRequest(description="format: expected gguf or mlx")
        words = req.get_param("query", default="")
        limit = req.get_param_as_int("limit", min_value=1, max_value=hub_search.MOST, default=20)
        found = await hub_search.search(words, format=wanted, limit=limit)
        resp.media = {"found": found}


class ChoicesResource:
    """What one repository offers."""

    def __init__(self, offers: HubOffers) -> None:
        self._offers = offers

    async def on_get(self, req: Request, resp: Response) -> None:
        model = req.get_param("model", required=True)
        resp.media = (await self._offers.of(model)).told


class Wish(msgspec.Struct, frozen=True):
    """What is asked for: a name or link, and a quantization; the one that suits best if left out."""

    model: str
    quantization: str = ""


class DownloadsResource:
    """All of them, and new ones."""

    def __init__(self, box: Box, offers: HubOffers) -> None:
        self._box = box
        self._offers = offers

    async def on_get(self, _req: Request, resp: Response) -> None:
        resp.media = {"downloads": self._box.downloads.list()}

    async def on_post(self, req: Request, resp: Response) -> None:
        wish = await asked(req, Wish)
        offer = await self._offers.of(wish.model)
        picked = offer.pick(wish.quantization or None)
        resp.media = self._box.downloads.start(
            picked.model, total=picked.total, sha256s=picked.sha256s
        )


class DownloadResource:
    """One of them."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_get(self, req: Request, resp: Response, job: str) -> None:
        view = self._box.downloads.get(job)
        if not req.get_param_as_bool("watch"):
            resp.media = view
            return
        resp.content_type = _LINES
        resp.stream = self._lines(view)

    async def on_delete(self, _req: Request, resp: Response, job: str) -> None:
        resp.media = await self._box.downloads.cancel(job)

    async def _lines(self, view: DownloadView) -> AsyncIterator[bytes]:
        """Yield it now and after every change, until nothing more will happen by itself."""
        while True:
            number = self._box.changes.number
            yield msgspec.json.encode(view) + b"\n"
            if view.status != "downloading":
                return
            await self._box.changes.after(number, seconds=_QUIET)
            found = [each for each in self._box.downloads.list() if each.id == view.id]
            if not found:  # given up meanwhile
                return
            view = found[0]


class ModelResource:
    """A model that was downloaded."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_delete(self, _req: Request, resp: Response, name: str) -> None:
        resp.media = await remove(self._box, name)


class DownloadVerbResource:
    """Stop one, go on with one."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def on_post(self, _req: Request, resp: Response, job: str, verb: str) -> None:
        match verb:
            case "pause":
                resp.media = await self._box.downloads.pause(job)
            case "resume":
                resp.media = self._box.downloads.resume(job)
            case _:
                raise falcon.HTTPNotFound
