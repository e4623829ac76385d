"""Looking into a home from outside: which blobs, partials and quarantined files there are."""

import hashlib
import json
import random
from pathlib import Path


def content(size: int, *, seed: int = 1) -> bytes:
    """Return bytes that look like weights: the same for the same seed."""
    return random.Random(seed).randbytes(size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def blobs(home: Path) -> set[str]:
    return {path.name for path in (home / "blobs" / "sha256").glob("*/*")}


def partials(home: Path) -> list[Path]:
    return sorted((home / "partial").glob("*.part"))


def quarantined(home: Path) -> list[str]:
    """Return why each file is in quarantine."""
    notes = sorted((home / "quarantine").glob("*.json"))
    return [json.loads(note.read_text())["reason"] for note in notes]


def blobs_are_what_they_say(home: Path) -> bool:
    return all(
        sha256(path.read_bytes()) == path.name for path in (home / "blobs" / "sha256").glob("*/*")
    )
