"""What lmctl runs on here: its packages as installed, and what its engine was built for."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

_DEADLINE: Final = 60.0
_BUILT: Final = re.compile(r"([A-Z0-9_]+) = 1")
# In a process of its own: a build for another processor may be killed at its first instruction.
_PROBE: Final = "import llama_cpp as l; print(l.llama_print_system_info().decode())"
# What a build can use, by llama.cpp's word, and the processor's word for it in /proc/cpuinfo.
_INSTRUCTIONS: Final = {
    "AVX": "avx",
    "AVX2": "avx2",
    "FMA": "fma",
    "F16C": "f16c",
    "AVX512": "avx512f",
    "AVX512_VBMI": "avx512vbmi",
    "AVX512_VNNI": "avx512_vnni",
    "AVX512_BF16": "avx512_bf16",
    "NEON": "asimd",
    "DOTPROD": "asimddp",
    "MATMUL_INT8": "i8mm",
    "SVE": "sve",
}


def wrong_packages(name: str = "lmctl") -> list[str]:
    """Return, in words, the packages that are missing or not of the version this lmctl was made with."""
    found = []
    for wanted in importlib.metadata.requires(name) or ():
        if ";" in wanted:  # of other machines, or wanted by nobody here
            continue
        package, _, version = wanted.partition("==")
        package = re.split(r"[^A-Za-z0-9._-]", package)[0]
        try:
            there = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{package} is missing")
            continue
        if version and there != version:
            found.append(f"{package} is {there}, not {version}")
    return found


def installed_at(name: str = "lmctl") -> float:
    """Return when lmctl was installed here, in unix seconds: no clock may be before that."""
    return Path(str(importlib.metadata.distribution(name).locate_file(""))).stat().st_mtime


def engine_build() -> frozenset[str] | str:
    """Return the instruction sets llama.cpp here was built for, in the processor's words; a sentence
    where it does not work at all.
    """
    try:
        done = subprocess.run(  # our own interpreter, our own words
            [sys.executable, "-c", _PROBE],
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it does not start within {_DEADLINE:.0f} s"
    if done.returncode < 0:
        return f"it was killed by signal {-done.returncode}"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["it does not start"])[-1]
    said = {_INSTRUCTIONS.get(each) for each in _BUILT.findall(done.stdout)}
    return frozenset(each for each in said if each)


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str] | None:
    """Return the instruction sets of the processor that builds can use; None where it is not told."""
    try:
        lines = cpuinfo.read_text().splitlines()
    except OSError:
        return None
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), None)
    if flags is None:
        return None
    return frozenset(flags.partition(":")[2].split()) & frozenset(_INSTRUCTIONS.values())
