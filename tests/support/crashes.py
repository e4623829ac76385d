"""What must hold of a box however its daemon was killed: nothing twice, nothing lost, as declared."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing

import psutil

from tests.support.asking import ask
from tests.support.box import PATIENCE, Box, free_port


def edit_everything(box: Box, number: int, *, strategy: str = "drain") -> None:
    """An edit that takes every kind of step: other weights, other settings, another port."""
    box.echo(
        "chat",
        load=f"{{contextLength: {1024 + number}}}",
        strategy=f"{{type: {strategy}, maxDrain: 5s}}",
    )
    box.write(f"scripts/{number}.json", "{}" + " " * number)
    model = (box.fleet / "models/chat/model.yaml").read_text()
    box.write(
        "models/chat/model.yaml", model.replace("scripts/chat.json", f"scripts/{number}.json")
    )
    box.port = free_port()
    box.write("server.yaml", f"listen: {{host: 127.0.0.1, port: {box.port}}}\n")


def gone(box: Box, *, seconds: float = PATIENCE) -> bool:
    """Wait until a daemon is gone; False when it is not."""
    return _until(lambda: box.home.holder() is None, seconds=seconds)


def alone(box: Box) -> bool:
    """Wait until one gateway is left: one that moved away lets the other finish its answers, and
    one whose daemon died before it could say so is found by the next.
    """
    return _until(lambda: len(processes(box, "lmctl.api.main")) == 1, seconds=2 * PATIENCE)


def _until(holds: Callable[[], bool], *, seconds: float = PATIENCE) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.02)
    return True


def processes(box: Box, module: str) -> list[psutil.Process]:
    """The processes of this box that run a module, without the children of such ones."""
    found = {}
    for each in psutil.process_iter(["cmdline"]):
        if module in (each.info["cmdline"] or ()) and _is_of(box, each):
            found[each.pid] = each
    return [each for each in found.values() if each.ppid() not in found]


def _is_of(box: Box, process: psutil.Process) -> bool:
    try:
        return process.environ().get("LMCTL_HOME") == str(box.home.root)
    except psutil.Error:
        return False


def check(box: Box, *, instances: int, event: int, url: str | None = None) -> None:
    """Assert all of it; `event` is the id of the last event somebody was told."""
    assert len(processes(box, "lmctl.runner.main")) == instances
    assert alone(box), "two gateways are there for good"
    assert len(list(box.home.runners.glob("*@*"))) == instances
    with closing(sqlite3.connect(box.home.database)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        # A process that a step has ended is gone a moment before the step is over.
        started = "SELECT step FROM actions WHERE outcome='started'"
        assert _until(lambda: db.execute(started).fetchall() == []), "a step that is never over"
        (last,) = db.execute("SELECT max(id) FROM events").fetchone()
        assert last >= event
        newest = db.execute("SELECT digest FROM generations ORDER BY number DESC").fetchone()
    assert (box.home.revisions / f"{newest[0]}.msgpack").exists()
    assert ask(url or box.url, "hello").strip() == "hello"
