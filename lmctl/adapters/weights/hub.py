"""The Hugging Face Hub, or a server that speaks like it: what a repository has, and its files.

The official client answers for metadata and credentials; bytes come through our own downloads,
because its file downloads neither resume across calls nor check content (2.4.0, measured).
`HF_ENDPOINT` and `HF_TOKEN` are read at every call, so a changed environment counts at once.
"""

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, NoReturn, TypeVar

import httpx2
from huggingface_hub import HfApi, hf_hub_url
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import build_hf_headers

from lmctl.adapters.outbound import leave_for
from lmctl.adapters.weights.download import Downloads, FetchedFile
from lmctl.adapters.weights.http_get import Address, explain, host_of, unreachable
from lmctl.adapters.weights.progress import Meter
from lmctl.adapters.weights.threads import abandonable
from lmctl.adapters.weights.wanted import Wanted
from lmctl.base.digests import digest
from lmctl.base.errors import IntegrityError, LmctlError, NotFound, NotReady, Refused
from lmctl.planning.gguf_names import base_name, pick
from lmctl.planning.weights_values import HubSource, Pinned

_DEFAULT: Final = "https://huggingface.co"
ANSWER_WITHIN: Final = 5.0
_RESOLVE_WITHIN: Final = 8.0
TROUBLE: Final = (HfHubHTTPError, httpx2.HTTPError, HFValidationError, OfflineModeIsEnabled)
"""What a question to the hub may end with; `translate` says it in our words."""
_HOW_TO_SIGN_IN: Final = "set HF_TOKEN for the daemon, or run `hf auth login` as its user"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository at one commit. Large files have a `sha256`, small ones only git's
    `blob_id` (sha1). `size` is in bytes.
    """

    path: str
    size: int | None
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True, slots=True)
class HubFiles:
    """What a source means right now: the commit its revision points to, and the files to take."""

    repo: str
    commit: str
    files: tuple[HubFile, ...]
    gated: bool = False


def endpoint() -> str:
    """Return the address of the hub in use."""
    return (os.environ.get("HF_ENDPOINT") or _DEFAULT).rstrip("/")


async def resolve(source: HubSource) -> HubFiles:
    """Ask the hub for the commit and pick the files; at most eight seconds.

    Raises Unreachable or NotReady (network), NotFound (repository, revision, file), Refused
    (gated, bad token), IntegrityError (the hub has other bytes than the pinned sha256).
    """
    listing = await repository(f"{source.user}/{source.repo}", source.revision)
    return replace(listing, files=chosen(source, listing.files))


async def repository(repo: str, revision: str = "main") -> HubFiles:
    """Return the commit a revision leads to and every file of it. Raises as `resolve` does."""
    where = endpoint()
    return await answered(partial(_listing, repo, revision, where), where)


async def answered(ask: Callable[[], T], where: str) -> T:
    """Return what a blocking question to the hub answers; at most eight seconds.

    Raises Unreachable after that, Refused while offline, and whatever the question raises.
    """
    leave_for(where)
    try:
        async with asyncio.timeout(_RESOLVE_WITHIN):
            return await abandonable(ask)
    except TimeoutError as error:
        reason = f"{host_of(where)} does not answer within {_RESOLVE_WITHIN:.0f} s"
        raise unreachable(reason) from error


async def fetch(
    source: HubSource, downloads: Downloads, meter: Meter, *, pinned: Pinned | None = None
) -> tuple[FetchedFile, ...]:
    """Bring the files of a source into the blob store, main file first.

    `pinned` files are taken at their commit without a question, wherever the revision leads now.
    Raises as `resolve` and `Downloads.file` do.
    """
    return await bring(
        _as_pinned(source, pinned) if pinned else await resolve(source), downloads, meter
    )


async def bring(found: HubFiles, downloads: Downloads, meter: Meter) -> tuple[FetchedFile, ...]:
    """Bring files into the blob store, main file first. Raises as `Downloads.file` does."""
    todo = [wanted(found, file) for file in found.files]
    for each in todo:
        meter.expect(each.what, each.size)
    fetched = []
    for each in todo:
        try:
            fetched.append(FetchedFile(each.what, await downloads.into_blob(each, meter)))
        except Refused as error:
            # The hub describes gated repositories to anyone and refuses their files.
            raise (_gated(found.repo, endpoint()) if found.gated else error) from error
    return tuple(fetched)


def wanted(found: HubFiles, file: HubFile) -> Wanted:
    """Return the download of one file; the token goes to the hub and nowhere else."""
    where = endpoint()
    url = hf_hub_url(found.repo, file.path, revision=found.commit, endpoint=where)
    headers = build_hf_headers(library_name="lmctl")
    return Wanted(
        address=Address(url, headers),
        what=base_name(file.path),
        identity=digest((found.repo, found.commit, file.path)),
        sha256=file.sha256,
        git_sha1=None if file.sha256 else file.blob_id,
        size=file.size,
    )


def _as_pinned(source: HubSource, pinned: Pinned) -> HubFiles:
    files = tuple(HubFile(each.path, each.size, each.sha256, None) for each in pinned.files)
    return HubFiles(f"{source.user}/{source.repo}", pinned.commit, files)


def _listing(repo: str, revision: str, where: str) -> HubFiles:
    """Return the commit and all its files; blocks."""
    try:
        api = HfApi(endpoint=where)
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=ANSWER_WITHIN)
    except TROUBLE as error:
        translate(error, repo, revision, where)
    files = tuple(
        HubFile(each.rfilename, each.size, each.lfs.sha256 if each.lfs else None, each.blob_id)
        for each in info.siblings or ()
    )
    # The hub follows renames and other spellings; its own is what the model is called.
    return HubFiles(info.id or repo, info.sha, files, gated=bool(info.gated))


def _gated(repo: str, where: str) -> Refused:
    return Refused(
        f"{repo} on {host_of(where)} is gated",
        hint=f"accept its licence at {where}/{repo} in a browser, then {_HOW_TO_SIGN_IN}",
    )


def translate(error: Exception, repo: str, revision: str, where: str) -> NoReturn:
    """Raise the client's error in our words. The order matters: gated is a kind of not found."""
    host = host_of(where)
    answer: LmctlError
    match error:
        case GatedRepoError():
            answer = _gated(repo, where)
        case RevisionNotFoundError():
            answer = NotFound(
                f"{repo} on {host} has no revision {revision!r}",
                hint="name a branch, a tag or a full commit of this repository",
            )
        case RepositoryNotFoundError():
            answer = NotFound(
                f"{host} shows no repository {repo}",
                hint=f"check user and repo; if it is private, {_HOW_TO_SIGN_IN}",
            )
        case HFValidationError():
            answer = Refused(f"{repo!r} is not a repository name: {error}")
        case OfflineModeIsEnabled():
            answer = Refused(
                "HF_HUB_OFFLINE forbids asking the hub", hint="unset it for the daemon"
            )
        case HfHubHTTPError() if error.response is not None:
            answer = _status(error.response, repo, host)
        case httpx2.HTTPError():
            answer = unreachable(explain(error, host).reason)
        case _:
            answer = unreachable(f"{host}: {type(error).__name__}")
    raise answer from error


def _status(response: httpx2.Response, repo: str, host: str) -> LmctlError:
    match response.status_code:
        case 401:
            return Refused(
                f"{host} does not know the token sent for {repo}",
                hint=f"the token is wrong or has expired: {_HOW_TO_SIGN_IN}",
            )
        case 403:
            return Refused(
                f"the token sent to {host} may not read {repo}",
                hint="give it read access, or use another one",
            )
        case 404:
            return NotFound(f"{host} shows no repository {repo}")
        case 429 | 500 | 502 | 503 | 504 as status:
            asked = response.headers.get("Retry-After", "")
            seconds = float(asked) if asked.isdigit() else 5.0
            return NotReady(f"{host} answers {status} for {repo}", retry_after=seconds)
        case status:
            return Refused(f"{host} answers status {status} for {repo}")


def chosen(source: HubSource, files: tuple[HubFile, ...]) -> tuple[HubFile, ...]:
    """Return the picked files, main file first, its sha256 pinned if the source says so."""
    by_path = {each.path: each for each in files}
    names = pick(tuple(by_path), source.file)
    if not names:
        raise _nothing(source, tuple(by_path))
    if missing := [name for name in names if name not in by_path]:
        raise NotFound(
            f"{source} has an incomplete set: {missing[0]} is missing",
            hint="ask the publisher, or name another file or revision",
        )
    if len({base_name(name) for name in names}) < len(names):
        raise Refused(f"{source}: two of the files have one name", hint="narrow down `file`")
    return _pinned(source, tuple(by_path[name] for name in names))


def _pinned(source: HubSource, chosen: tuple[HubFile, ...]) -> tuple[HubFile, ...]:
    first, *others = chosen
    if source.sha256 is None or source.sha256 == first.sha256:
        return chosen
    if first.sha256 is not None:
        raise IntegrityError(
            f"{source}: {first.path} has sha256 {first.sha256}, pinned is {source.sha256}",
            hint="the publisher changed the file: pin a commit as revision, or the new sha256",
        )
    return (HubFile(first.path, first.size, source.sha256, first.blob_id), *others)


def _nothing(source: HubSource, names: tuple[str, ...]) -> NotFound:
    some = ", ".join(sorted(names)[:8]) or "nothing"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    asked = f"no file {source.file!r}" if source.file else "no GGUF file"
    return NotFound(
        f"{source} has {asked}", hint=f"it has {some}{more}; name one of them with `file`"
    )
