"""What people write to name a model on the hub: `owner/repo`, `owner/repo@Q4_K_M`, or a link."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from lmctl.base.errors import BadRequest

HUB_HOSTS: Final = frozenset({"huggingface.co", "www.huggingface.co", "hf.co"})
_PIECE: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
# What stands between a repository and a revision in a link to a file or a folder of it.
_VIEWS: Final = frozenset({"blob", "resolve", "tree", "raw"})
_HINT: Final = (
    "write owner/repo, owner/repo@Q4_K_M or a link as in https://huggingface.co/owner/repo"
)


@dataclass(frozen=True, slots=True)
class HubName:
    """A repository, and what of it was asked for, as far as the name says."""

    user: str
    repo: str
    revision: str = "main"
    file: str | None = None
    quantization: str | None = None

    @property
    def model(self) -> str:
        """The key of a model made of it: `owner/repo`."""
        return f"{self.user}/{self.repo}"


def hub_name(text: str) -> HubName:
    """Return what a name or a link means. Raises BadRequest, saying how to write one."""
    if text.count("@") > 1:
        raise _wrong(text, "has more than one @")
    if "://" in text:
        return _of_link(text)
    name, at, quantization = text.partition("@")
    if at and not quantization:
        raise _wrong(text, "names no quantization after @")
    host, _, rest = name.partition("/")
    if host in HUB_HOSTS:
        name = rest
    return _of_pieces(text, name.strip("/").split("/"), quantization or None)


def _of_link(text: str) -> HubName:
    url = urlsplit(text)
    if url.scheme != "https" or url.hostname not in HUB_HOSTS or url.username:
        raise _wrong(text, "is no https link to huggingface.co")
    path, _, quantization = unquote(url.path).partition("@")
    pieces = path.strip("/").split("/")
    found, inside = _of_pieces(text, pieces[:2], quantization or None), pieces[2:]
    if not inside:
        return HubName(found.user, found.repo, quantization=found.quantization)
    if inside[0] not in _VIEWS or len(inside) < 2:
        raise _wrong(text, "leads to something else than a repository or a file of it")
    file = "/".join(inside[2:]) or None
    if file and inside[0] == "tree":
        file = f"{file}/*"
    return HubName(found.user, found.repo, inside[1], file, found.quantization)


def _of_pieces(text: str, pieces: list[str], quantization: str | None) -> HubName:
    if len(pieces) != 2 or not all(_PIECE.fullmatch(each) for each in pieces):
        raise _wrong(text, "names no repository")
    return HubName(pieces[0], pieces[1], quantization=quantization)


def _wrong(text: str, why: str) -> BadRequest:
    return BadRequest(f"model {text!r} {why}", param="model", hint=_HINT)
