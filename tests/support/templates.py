"""Real chat templates of many families: they come inside llama-cpp-python's source distribution."""

import subprocess
import sys
import tarfile
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.models import cache

LOCKS = Path(__file__).parents[2] / "config" / "lock"
VERSION = (LOCKS / "llama-cpp.txt").read_text().split()[0].partition("==")[2]


def real_templates() -> dict[str, str]:
    """Return the templates by name, fetching them on first use."""
    folder = cache() / f"templates-{VERSION}"
    if not folder.is_dir():
        with TemporaryDirectory(dir=_made(cache())) as work:
            _fetch(Path(work))
            Path(work, "found").rename(folder)
    return {path.stem: path.read_text() for path in sorted(folder.iterdir())}


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fetch(work: Path) -> None:
    # pip asks a source distribution's build tools for its name, so they must be there.
    python = str(work / "tools" / "bin" / "python")
    pip = [python, "-m", "pip", "-q", "--disable-pip-version-check"]
    subprocess.run([sys.executable, "-m", "venv", str(work / "tools")], check=True)
    hashed = ["--require-hashes", "-r"]
    subprocess.run([*pip, "install", *hashed, str(LOCKS / "build.txt")], check=True)
    subprocess.run(
        [
            *pip, "download", "--no-deps", "--no-binary", "llama-cpp-python",
            "--no-build-isolation", *hashed, str(LOCKS / "llama-cpp.txt"), "-d", str(work),
        ],
        check=True,
    )  # fmt: skip
    (work / "found").mkdir()
    with tarfile.open(next(work.glob("*.tar.gz"))) as source:
        for member in source:
            path = Path(member.name)
            if path.suffix == ".jinja" and path.parent.name == "templates":
                (work / "found" / path.name).write_bytes(source.extractfile(member).read())
