"""`get --host`: a model downloaded to another box, by its HTTP API."""

import time
from contextlib import closing
from typing import Any, Final

import typer

from lmctl.adapters.home import Home
from lmctl.base.quantities import format_size
from lmctl.cli.gateway_client import GatewayClient, url_of
from lmctl.cli.printer import Printer

_LOOK: Final = 0.5  # seconds between two questions
_STEPS: Final = 10  # lines a download takes


def get_elsewhere(printer: Printer, home: Home, host: str, what: str) -> None:
    """Have another box download a model and tell how far it is, until that ends; Ctrl-C leaves it
    running. Exits with 1 when it failed or was paused. Raises LmctlError when the box says no.
    """
    with closing(GatewayClient(url_of(host, home))) as client:
        job = client.download(what)
        told = -1
        while job["status"] == "downloading":
            if (tenth := _tenth(job)) != told:
                told = tenth
                printer.note(_line(what, job))
            time.sleep(_LOOK)
            job = client.download_status(job["job_id"])
    printer.data(job, "")
    if job["status"] in ("completed", "already_downloaded"):
        printer.note(f"{what} is there; `lmctl load {what} --host {host}` loads it")
        return
    printer.problem(f"{_line(what, job)}: {job.get('error', job['status'])}")
    raise typer.Exit(1)


def _tenth(job: dict[str, Any]) -> int:
    total: int = job["total_size_bytes"]
    done: int = job["downloaded_bytes"]
    return _STEPS * done // total if total else 0


def _line(what: str, job: dict[str, Any]) -> str:
    done, total = (format_size(job[name]) for name in ("downloaded_bytes", "total_size_bytes"))
    return f"{what}: {done} of {total}"
