"""Which commit a folder of manifests is at, when it is in a git work tree. Only asks; changes nothing."""

import os
import subprocess
from pathlib import Path

import msgspec

_DEADLINE = 5.0  # seconds; a history without a commit is better than a loop that waits
# No hook or monitor of the repository runs, and no lock is taken beside somebody's own git.
_QUIET = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")


class Commit(msgspec.Struct, frozen=True):
    """A commit, and whether the folder differs from it (`dirty`)."""

    id: str
    author: str
    subject: str
    dirty: bool = False


def commit_of(folder: Path) -> Commit | None:
    """Return the commit checked out around a folder; None without git, a work tree or a commit."""
    told = _ask(folder, "log", "-1", "--no-show-signature", "--format=%H%n%an <%ae>%n%s")
    if told is None:
        return None
    identity, author, subject = (*told.split("\n"), "", "")[:3]
    changed = _ask(folder, "status", "--porcelain", "--", ".")
    return Commit(identity, author, subject, dirty=bool(changed))


def _ask(folder: Path, *words: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *_QUIET, "-C", str(folder), *words],
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_DEADLINE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None
