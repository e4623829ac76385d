"""Processes that say by their own command line that they belong to a home.

A pid that was written down may be lost with the file; what a process was started with is not. Only
processes of this user are looked at, and only the exact marks of this very home count.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from lmctl.adapters.processes import Identity

_RUNNER, _GATEWAY = "lmctl.runner.main", "lmctl.api.main"


@dataclass(frozen=True, slots=True)
class MarkedRunner:
    """A process that runs a spec below our folder of runners."""

    who: Identity
    folder: Path


@dataclass(frozen=True, slots=True)
class MarkedGateway:
    """A gateway's master of our run folder: the digest it was started with, and where it listens."""

    who: Identity
    digest: str
    binds: tuple[str, ...]


def marked_runners(runners: Path) -> Iterator[MarkedRunner]:
    """Yield the living runner processes of this folder, whatever lies in it now."""
    for process, words in _ours(_RUNNER):
        spec = _after(words, "--spec")
        folder = Path(spec).parent if spec else None
        if folder is not None and folder.parent == runners:
            yield MarkedRunner(Identity(process.pid, process.create_time()), folder)


def marked_gateways(run: Path) -> Iterator[MarkedGateway]:
    """Yield the living masters that serve this run folder. A master leads a session of its own; a
    worker whose master has died is none, and no master either that finishes what it answers.
    """
    for process, environment in _gateway_family(run):
        if _leads(process.pid):
            binds = _binds(process)
            if not binds and _is_ending(process):
                continue
            who = Identity(process.pid, process.create_time())
            yield MarkedGateway(who, environment.get("LMCTL_GATEWAY_DIGEST", ""), binds)


def orphaned_workers(run: Path) -> tuple[Identity, ...]:
    """Return the living workers of this run folder's gateways whose master has died. Those of a
    master that was told to end, and finishes what it answers, are none.
    """
    family = [process for process, _ in _gateway_family(run)]
    masters = {each.pid for each in family if _leads(each.pid)}
    workers = [each for each in family if each.pid not in masters]
    return tuple(
        Identity(each.pid, each.create_time())
        for each in workers
        if (parent := _parent(each)) is not None and parent not in masters
    )


def _is_ending(master: psutil.Process) -> bool:
    """Say whether a master that listens nowhere still has workers, and is not held up: its first
    worker starts after it listens, and it ends with its last one.
    """
    try:
        return master.status() != psutil.STATUS_STOPPED and bool(master.children())
    except psutil.NoSuchProcess:
        return True


def _parent(process: psutil.Process) -> int | None:
    """Return the pid of who started it, or None once it is gone."""
    try:
        return process.ppid()
    except psutil.NoSuchProcess:
        return None


def _gateway_family(run: Path) -> Iterator[tuple[psutil.Process, dict[str, str]]]:
    for process, _ in _ours(_GATEWAY):
        try:
            environment = process.environ()
        except psutil.Error:
            continue
        if environment.get("LMCTL_RUN") == str(run):
            yield process, environment


def _leads(pid: int) -> bool:
    try:
        return os.getsid(pid) == pid
    except ProcessLookupError:
        return False


def _ours(module: str) -> Iterator[tuple[psutil.Process, list[str]]]:
    """Yield the living processes of this user that run a module of ours, with their command line."""
    me = psutil.Process().uids().real
    for process in psutil.process_iter():
        try:
            if process.uids().real != me:
                continue
            words = process.cmdline()
            alive = process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        if alive and module in words[:4]:
            yield process, words


def _binds(process: psutil.Process) -> tuple[str, ...]:
    try:
        held = process.net_connections(kind="tcp")
    except psutil.Error:
        return ()
    addresses = [each.laddr for each in held if each.status == psutil.CONN_LISTEN and each.laddr]
    return tuple(sorted(_address(each.ip, each.port) for each in addresses))


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _after(words: list[str], option: str) -> str | None:
    position = words.index(option) + 1 if option in words else len(words)
    return words[position] if position < len(words) else None
