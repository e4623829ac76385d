"""What a repository of the hub offers this box, weighed against its memory and disk."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lmctl.adapters.catalogue import shipped
from lmctl.adapters.host import look
from lmctl.base.errors import BadRequest, NotFound
from lmctl.daemon.box import Box
from lmctl.planning.catalogue import find, hub_source
from lmctl.planning.choices import Choice, Choices, choices, choose
from lmctl.planning.downloads import HubModel, key_for
from lmctl.planning.fit.budget import Guardrails
from lmctl.planning.hub_names import HubName, hub_name
from lmctl.planning.weights_values import HubSource

if TYPE_CHECKING:
    from lmctl.adapters.weights.hub import HubFile, HubFiles


@dataclass(frozen=True, slots=True)
class Picked:
    """What is to be downloaded: `total` in bytes, 0 where the hub does not say."""

    model: HubModel
    total: int
    sha256s: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """A repository at one commit; `key` is what a model of it is called, `kept` and `taken` are as `key_for` wants them."""

    key: str
    name: HubName
    listing: "HubFiles"
    choices: tuple[Choice, ...]
    kept: tuple[HubModel, ...]
    taken: Collection[str]

    @property
    def told(self) -> Choices:
        """Return it as the control API tells it."""
        return Choices(self.listing.repo, self.listing.commit, self.listing.gated, self.choices)

    def pick(self, quantization: str | None) -> Picked:
        """Return what to download: the named file, the asked quantization, else what suits best.

        Raises BadRequest when name and `quantization` ask for different ones, NotFound when the
        repository has no such thing.
        """
        asked = self._asked(quantization)
        if asked is None and self.name.file is not None:
            return self._of_file(self.name.file)
        choice = choose(self.choices, asked)
        if choice is None:
            raise self._nothing(asked)
        return self._of_file(choice.file)

    def _of_file(self, file: str) -> Picked:
        from lmctl.adapters.weights import hub  # slow to import, see store

        (user, _, repo), commit = self.listing.repo.partition("/"), self.listing.commit
        files = hub.chosen(HubSource(user, repo, commit, file), self.listing.files)
        named = next((each.quantization for each in self.choices if each.file == files[0].path), "")
        found = HubModel(self.key, user, repo, commit, files[0].path, named)
        model = HubModel(
            key_for(found, self.kept, self.taken), user, repo, commit, found.file, named
        )
        return Picked(model, _total(files), tuple(each.sha256 for each in files if each.sha256))

    def _asked(self, quantization: str | None) -> str | None:
        named = self.name.quantization
        if named and quantization and named.upper() != quantization.upper():
            message = f"the name asks for {named}, `quantization` for {quantization}"
            raise BadRequest(message, param="quantization", hint="leave one of them out")
        return quantization or named

    def _nothing(self, asked: str | None) -> NotFound:
        named = [each.quantization for each in self.choices if each.quantization]
        if asked and named:
            message = f"{self.listing.repo} has no {asked}"
            return NotFound(message, hint=f"it has {', '.join(named)}")
        return NotFound(
            f"{self.listing.repo} has no GGUF file and is no MLX folder",
            hint="`lmctl search WORDS` finds repositories that have",
        )


class HubOffers:
    """Asks the hub for one box."""

    def __init__(self, box: Box) -> None:
        self._box = box

    async def of(self, model: str) -> Offer:
        """Return what a name of the catalogue, of the hub or a link leads to.

        Raises BadRequest for what is no name, and as `hub.repository` does.
        """
        from lmctl.adapters.weights import hub  # slow to import, see store

        key, name = _named(model)
        listing = await hub.repository(name.model, name.revision)
        key = listing.repo if key == name.model else key
        last = self._box.reconciler.last
        pids = [each.pid for each in last.observed.runners if each.pid] if last else []
        host = await asyncio.to_thread(look, self._box.home.root, ours=pids)
        desired = last.desired if last else None
        sizes = {each.path: each.size for each in listing.files}
        offered = choices(sizes, host, desired.guardrails if desired else Guardrails())
        kept = self._box.eyes.downloaded.read()
        ours = {each.model for each in kept}
        taken = {each.model for each in desired.weights} if desired else set()
        taken |= self._box.eyes.tree.local_weights().keys()
        return Offer(key, name, listing, offered, kept, taken - ours)


def _named(model: str) -> tuple[str, HubName]:
    """Return the key of a model and where it is. Raises BadRequest for what is no name."""
    plain, _, quantization = model.partition("@")
    listed = find(shipped(), plain)
    source = hub_source(listed) if listed is not None else None
    if listed is None or source is None:
        name = hub_name(model)
        return name.model, name
    file = None if quantization else source.file
    return listed.key, HubName(
        source.user, source.repo, source.revision, file, quantization or None
    )


def _total(files: "tuple[HubFile, ...]") -> int:
    return sum(each.size or 0 for each in files)
