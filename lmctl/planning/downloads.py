"""Downloads people ask for, beside what files declare: what is remembered of each, and told."""

from collections.abc import Collection
from typing import Literal

import msgspec

from lmctl.planning.weights_values import HubSource, Weights

Status = Literal["downloading", "paused", "completed", "failed"]


class HubModel(msgspec.Struct, frozen=True, rename="camel"):
    """A model that came from the hub by request: its key, and exactly which file of which commit."""

    model: str
    user: str
    repo: str
    commit: str
    file: str
    quantization: str = ""

    @property
    def weights(self) -> Weights:
        """What it is loaded from; the commit keeps it the same whatever the publisher does."""
        return Weights(self.model, (HubSource(self.user, self.repo, self.commit, self.file),))

    @property
    def base(self) -> str:
        """The key without a variant."""
        return self.model.partition("@")[0]


class Download(msgspec.Struct, frozen=True, rename="camel"):
    """A download job. Sizes are in bytes, times in unix seconds; `sha256s` are those of its files
    that the hub tells. `message` and `hint` say why it failed, or what it waits for.
    """

    id: str
    of: HubModel
    total: int
    sha256s: tuple[str, ...]
    started_at: float
    status: Status = "downloading"
    done: int = 0
    completed_at: float | None = None
    message: str = ""
    hint: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more will happen to it by itself."""
        return self.status in ("completed", "failed")


class DownloadView(msgspec.Struct, frozen=True, rename="camel", omit_defaults=False):
    """A download as it is told: `rate` in bytes per second; `ends_at` is when it will be complete
    at this rate, in unix seconds. `id` is empty and `status` says `already_downloaded` where nothing
    had to be done.
    """

    id: str
    model: str
    repo: str
    file: str
    quantization: str
    status: Literal["downloading", "paused", "completed", "failed", "already_downloaded"]
    total: int = 0
    done: int = 0
    rate: float = 0.0
    started_at: float | None = None
    completed_at: float | None = None
    ends_at: float | None = None
    message: str = ""
    hint: str = ""


class FoundRepo(msgspec.Struct, frozen=True, rename="camel"):
    """A repository: downloads of the last month, likes, when it was last changed (ISO 8601), and the
    quantizations its file names tell, the usual one first.
    """

    repo: str
    downloads: int
    likes: int
    updated: str
    gated: bool
    quantizations: tuple[str, ...]


class Removed(msgspec.Struct, frozen=True, rename="camel"):
    """What went: the model, and the bytes that are free now. `kept` are bytes of it that something
    else needs.
    """

    model: str
    freed: int
    kept: int


def view_of(job: Download, *, done: int, rate: float, now: float) -> DownloadView:
    """Return how a download is told, `done` bytes of it being here."""
    travels = job.status == "downloading" and rate > 0
    return DownloadView(
        id=job.id,
        model=job.of.model,
        repo=f"{job.of.user}/{job.of.repo}",
        file=job.of.file,
        quantization=job.of.quantization,
        status=job.status,
        total=job.total,
        done=job.total
        if job.status == "completed"
        else min(done, job.total)
        if job.total
        else done,
        rate=rate if travels else 0.0,
        started_at=job.started_at,
        completed_at=job.completed_at,
        ends_at=now + (job.total - done) / rate if travels else None,
        message=job.message,
        hint=job.hint,
    )


def key_for(found: HubModel, kept: tuple[HubModel, ...], taken: Collection[str]) -> str:
    """Return the key a model from the hub is known by, for good: that of its repository for the
    first of it, with `@quantization` for others. `taken` are the keys of models from elsewhere.
    """
    beside = [each for each in kept if each.base == found.base]
    for each in beside:
        if (each.file, each.quantization) == (found.file, found.quantization):
            return each.model
    if found.base not in taken and all(each.model != found.base for each in beside):
        return found.base
    return f"{found.base}@{found.quantization or found.file.rpartition('/')[2]}"
