"""What git knows of a folder of manifests in a work tree. Only asks; changes nothing."""

import os
import subprocess
from pathlib import Path

import msgspec

from lmctl.base.errors import NotFound
from lmctl.manifests.reading import counts

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


def files_at(folder: Path, revision: str) -> dict[str, bytes]:
    """Return the manifests of a folder as they were at a revision, by the path they have there.

    Raises NotFound when the folder is in no git work tree or there is no such revision.
    """
    commit = _ask(
        folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    listed = (
        _run(folder, "ls-tree", "-r", "-z", "--name-only", commit, "--", ".") if commit else None
    )
    if listed is None:
        raise NotFound(
            f"no revision `{revision}` of `{folder}`",
            hint="expected live, lock, the number of a generation, or what git knows",
        )
    names = [each for each in listed.decode("utf-8", "surrogateescape").split("\0") if each]
    found = {}
    for name in filter(counts, names):
        content = _run(folder, "cat-file", "blob", f"{commit}:./{name}")
        if content is not None:
            found[f"{folder}/{name}"] = content
    return found


def _ask(folder: Path, *words: str) -> str | None:
    told = _run(folder, *words)
    return told.decode("utf-8", "replace").strip() if told is not None else None


def _run(folder: Path, *words: str) -> bytes | None:
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
    return done.stdout if done.returncode == 0 else None
