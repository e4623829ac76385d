"""What versions of a package the index has."""

import re
import subprocess
import sys
from typing import Final

from lmctl.adapters.outbound import leave_for
from lmctl.adapters.runtimes.pip_words import failure
from lmctl.base.errors import NotFound, Refused, Unreachable
from lmctl.base.spec import FailureKind
from lmctl.planning.wanted_runtimes import Build

_DEADLINE: Final = 60.0
_VERSIONS: Final = re.compile(r"^Available versions: (.+)$", re.MULTILINE)


def versions(package: str, *, early: bool = False) -> tuple[str, ...]:
    """Return the versions this Python can install, the newest first; `early` ones too when asked.

    Raises NotFound for a package that is not there, Unreachable when the index does not answer, and
    Refused where there is no pip, or while offline.
    """
    leave_for("the package index")
    words = ["index", "versions", package, "--no-input", "--retries", "1"]
    options = ["--disable-pip-version-check", *(["--pre"] if early else [])]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words, *options],
            capture_output=True,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=_DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise Unreachable("the package index does not answer") from None
    if "No module named pip" in done.stderr:
        raise Refused("there is no pip beside lmctl", hint="`python -m ensurepip` brings it")
    found = _VERSIONS.search(done.stdout)
    if found is not None:
        return tuple(each.strip() for each in found[1].split(","))
    trouble = failure(Build(package, ""), done.stderr.splitlines())
    if trouble.kind is FailureKind.TRANSIENT:
        raise Unreachable(str(trouble))
    raise NotFound(f"the package index has no `{package}` for this Python")
