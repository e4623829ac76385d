"""Packages of llama.cpp for pip, made from the one that is installed here; and some that are broken."""

import base64
import hashlib
import io
import tarfile
import zipfile
from importlib.metadata import distribution
from pathlib import Path

NAME = "llama-cpp-python"
_MODULE = "llama_cpp_python"


def environment(folder: Path) -> dict[str, str]:
    """Return variables with which pip knows these packages and no others, and keeps none of them."""
    links, cache = folder / "links", folder / "cache"
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(links), "XDG_CACHE_HOME": str(cache)}


def wheel(folder: Path, version: str, **replaced: bytes) -> None:
    """Offer what is installed here as another version; `replaced` are files by their plain name."""
    package = Path(str(distribution(NAME).locate_file("llama_cpp")))
    low = ("_ctypes_extensions.py", "_ggml.py", "llama_cpp.py", "mtmd_cpp.py")  # all that is run
    files = {
        f"llama_cpp/{path.relative_to(package)}": replaced.get(path.stem, path.read_bytes())
        for path in (*(package / name for name in low), *(package / "lib").iterdir())
        if path.is_file()
    }
    top = f"from .llama_cpp import *\n__version__ = {version!r}\n".encode()
    files["llama_cpp/__init__.py"] = replaced.get("__init__", top)
    _pack(folder, version, files)


def empty_wheel(folder: Path, version: str) -> None:
    """Offer a version without the module that the engine is run through."""
    _pack(folder, version, {"something_else.py": b""})


def _pack(folder: Path, version: str, files: dict[str, bytes]) -> None:
    info = f"{_MODULE}-{version}.dist-info"
    files[f"{info}/METADATA"] = (
        f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n".encode()
    )
    files[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = "".join(f"{name},sha256={_hash(data)},{len(data)}\n" for name, data in files.items())
    links = folder / "links"
    links.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(links / f"{_MODULE}-{version}-py3-none-any.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")


def _hash(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


_BACKEND = """\
import os, pathlib, shutil, sys, time, zipfile

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    here = pathlib.Path({folder!r})
    with zipfile.ZipFile(next(here.glob("made/*.whl"))) as made:
        names = [each for each in made.namelist() if ".dist-info/" in each]
        made.extractall(directory, names)
    return names[0].partition("/")[0]

def build_wheel(directory, config_settings=None, metadata_directory=None):
    here = pathlib.Path({folder!r})
    (here / "building").write_text(str(os.getpid()))
    print("  [1/2] compiling with", os.environ["CMAKE_ARGS"], flush=True)
    while not (here / "go-on").exists():
        time.sleep(0.02)
    if (here / "fail").exists():
        sys.exit("x.cpp:1:1: error: a semicolon is missing")
    [made] = here.glob("made/*.whl")
    shutil.copy(made, directory)
    return made.name
"""


def sources(folder: Path, version: str) -> Path:
    """Offer a version only as sources, whose build waits for a file `go-on` in the folder returned,
    writes its pid to `building` there, and fails where there is a `fail`.
    """
    here = folder / f"build-{version}"
    wheel(here, version)
    (here / "links").rename(here / "made")
    project = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    files = {
        "pyproject.toml": f'{project}[project]\nname = "{NAME}"\nversion = "{version}"\n',
        "backend.py": _BACKEND.format(folder=str(here)),
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {version}\n",
    }
    links = folder / "links"
    links.mkdir(parents=True, exist_ok=True)
    with tarfile.open(links / f"{_MODULE}-{version}.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"{_MODULE}-{version}/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return here
