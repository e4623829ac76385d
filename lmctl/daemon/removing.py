"""Removing a model somebody had downloaded: its name at once, its bytes where nobody else has them."""

import asyncio
import time
from pathlib import Path

from lmctl.adapters.weights.blobs import Blobs
from lmctl.adapters.weights.collecting import Collector, Kind
from lmctl.base.errors import Conflict, NotFound, Refused
from lmctl.daemon.box import Box
from lmctl.daemon.marking import needed_by
from lmctl.manifests.suggest import closest
from lmctl.planning.downloads import HubModel, Removed
from lmctl.planning.weights_values import FileSource, StoredWeights


async def remove(box: Box, name: str) -> Removed:
    """Remove a downloaded model; returns once it is gone.

    Raises NotFound when there is none, Conflict when a file declares it, Refused while an instance
    is made of it and for files lmctl did not fetch.
    """
    model = _known(box, name)
    _require_unused(box, model)
    stored = box.eyes.weights.look(model.weights).stored
    box.eyes.downloaded.forget(model.model)
    box.downloads.forget_all(model)
    freed = await _free(box, stored) if stored is not None else 0
    size = stored.size if stored is not None else 0
    box.recorder.event(f"model/{model.model}", "Removed", f"{freed} bytes are free now")
    box.ring()
    return Removed(model.model, freed, size - freed)


def _known(box: Box, name: str) -> HubModel:
    desired = box.reconciler.now().desired
    places = desired.places if desired else {}
    kept = {each.model.casefold(): each for each in box.eyes.downloaded.read()}
    if (found := kept.get(name.casefold())) is not None and f"model/{name}" not in places:
        return found
    if (place := places.get(f"model/{name}", {}).get("")) is not None:
        raise Conflict(
            f"model {name} is declared at {place}, and what is declared stays",
            hint="delete it there; `lmctl gc` removes its weights once nothing needs them",
        )
    local = box.eyes.tree.local_weights()
    if name in local:
        path = next(each.path for each in local[name].sources if isinstance(each, FileSource))
        raise Refused(
            f"{name} was put there by hand; lmctl removes nothing it did not fetch",
            hint=f"remove {Path(path)} yourself",
        )
    near = closest(name, [each.model for each in kept.values()])
    hint = f"did you mean `{near}`?" if near else "`lmctl ls` lists the models that are here"
    raise NotFound(f"no model `{name}` was downloaded", hint=hint)


def _require_unused(box: Box, model: HubModel) -> None:
    desired = box.reconciler.now().desired
    for each in (*desired.instances, *desired.asleep) if desired else ():
        if each.weights == model.weights or (each.draft and each.draft == model.weights):
            hint = f"`lmctl unload {each.name}` first, or edit the file that declares it"
            raise Refused(f"instance/{each.name} is made of {model.model}", hint=hint)


async def _free(box: Box, stored: StoredWeights) -> int:
    """Remove the record and the files nothing else needs; return the bytes that were freed."""
    root = box.home.root
    async with Blobs(root).lock("gc"):
        collector = Collector(root, clock=time.time)
        try:
            unused = await asyncio.to_thread(lambda: collector.mark(needed_by(box.home, box.eyes)))
        except Refused:
            return 0  # what is needed is not known now; `lmctl gc` removes it later
        ours = {stored.key, *stored.sha256s}
        freed = 0
        for each in unused:
            if each.name in ours and each.kind is not Kind.PARTIAL and await collector.remove(each):
                freed += each.size
        return freed
