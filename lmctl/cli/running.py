"""`ps`: what is loaded and what it is doing, from the runners themselves: no daemon is needed."""

import asyncio
import time
from contextlib import closing

from lmctl.adapters import runner_client
from lmctl.adapters.home import Home, home_of
from lmctl.adapters.known_models import read_known_models
from lmctl.adapters.runner_folders import all_folders
from lmctl.base.errors import LmctlError
from lmctl.base.spec import Phase, RunnerSpec, RunnerStatus
from lmctl.cli.options import Host, OutputOption, Quiet
from lmctl.cli.printer import Output, Printer
from lmctl.cli.render_models import quantization_of
from lmctl.cli.render_running import (
    Running,
    render_elsewhere,
    render_running,
    running_elsewhere,
)
from lmctl.planning.known_models import KnownModels


def ps(host: Host = None, output: OutputOption = Output.TEXT, quiet: Quiet = False) -> None:
    """Show what is loaded and what it is doing: requests, tokens per second, cache, memory.

    The runners themselves are asked, so this works while no daemon runs. Of another box only what
    its gateway tells is known.
    """
    printer = Printer(output, quiet=quiet)
    if host is not None:
        _elsewhere(printer, host)
        return
    found = asyncio.run(loaded(home_of()))
    printer.data(found, render_running(found))


def _elsewhere(printer: Printer, host: str) -> None:
    from lmctl.cli.gateway_client import GatewayClient, url_of

    with closing(GatewayClient(url_of(host, home_of()))) as client:
        there = running_elsewhere(client.listing())
    printer.data(there, render_elsewhere(there))


async def loaded(home: Home) -> list[Running]:
    """Return every instance whose runner answers, by identifier."""
    specs = [each.spec() for each in all_folders(home.runners)]
    there = [each for each in specs if each is not None]
    statuses = await asyncio.gather(*(_status(each) for each in there))
    known = read_known_models(home.run)
    pairs = zip(there, statuses, strict=True)
    found = [_running(spec, status, known) for spec, status in pairs if status is not None]
    return sorted(found, key=lambda each: each.identifier)


async def _status(spec: RunnerSpec) -> RunnerStatus | None:
    try:
        status = await runner_client.status(spec.socket)
    except LmctlError:
        return None
    return status if status.uid == spec.uid else None


def _running(spec: RunnerSpec, status: RunnerStatus, known: KnownModels) -> Running:
    model, instance = known.instance(spec.name) or (None, None)
    embeds = model is not None and model.type == "embedding"
    work, ttl = status.work, instance.ttl if instance else None
    path = model.path if model else ""
    return Running(
        type=model.type if model else "llm",
        model_key=spec.model,
        format=model.format if model else "",
        display_name=(model.title if model else "") or spec.model.rpartition("/")[2],
        publisher=spec.model.partition("/")[0],
        path=path,
        size_bytes=sum(each.size for each in spec.weights),
        indexed_model_identifier=path or spec.model,
        device_identifier=None,
        params_string=(model.parameters or None) if model else None,
        architecture=(model.architecture or None) if model else None,
        quantization=quantization_of(model),
        vision=model is not None and model.vision,
        trained_for_tool_use=model is not None and model.tool_use,
        max_context_length=(model.context_length or None) if model else None,
        identifier=instance.identifier if instance else spec.name,
        ttl_ms=round(ttl * 1000) if ttl is not None else None,
        last_used_time=round((time.time() - status.idle) * 1000),
        context_length=status.context_length,
        status=doing(status, embeds=embeds),
        queued=status.queued,
        parallel=None if embeds else status.parallel,
        instance=spec.name,
        engine=spec.engine,
        pid=status.pid,
        running=status.running,
        tokens_per_second=round(work.rate, 1),
        cache_hit_ratio=_share(work.cached_tokens, work.prompt_tokens),
        context_held=work.held,
        context_room=work.room,
        draft_acceptance=_share(work.accepted, work.drafted),
        memory=status.memory,
    )


def doing(status: RunnerStatus, *, embeds: bool = False) -> str:
    """Return what an instance is doing, in the words of `lms ps`."""
    if status.phase is not Phase.READY:
        return status.phase.value
    if not status.running:
        return "idle"
    if embeds:
        return "computingEmbedding"
    return "generating" if status.work.generating else "processingPrompt"


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 3) if whole else None
