"""The packages of tests/node, installed once per machine and lock file."""

import hashlib
import shutil
import subprocess
from pathlib import Path

from tests.support.models import cache

NODE = Path(__file__).parents[1] / "node"


def node_packages() -> Path:
    """Return the folder that has `node_modules`."""
    lock = (NODE / "package-lock.json").read_bytes()
    folder = cache() / "node" / hashlib.sha256(lock).hexdigest()[:12]
    if not (folder / "installed").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(NODE / name, folder)
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(npm, cwd=folder, check=True, timeout=600)
        (folder / "installed").touch()
    return folder
