"""Every concrete class, once: what a box is made of.

The command line uses the reading half (`Eyes`) on its own, so `lmctl diff` looks with the same
eyes as the daemon.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import msgspec

from lmctl.actuators.runtimes import RuntimeActuator
from lmctl.adapters import runner_client
from lmctl.adapters.home import Home
from lmctl.adapters.host import look as look_at_host
from lmctl.adapters.manual import ManualLoads
from lmctl.adapters.processes import Processes
from lmctl.adapters.secrets import SecretResolver, fingerprint_key
from lmctl.adapters.weights import gguf_facts, mlx_facts
from lmctl.adapters.weights.by_request import Downloaded
from lmctl.adapters.weights.models_tree import ModelsTree
from lmctl.adapters.weights.store import WeightsStore
from lmctl.base.errors import LmctlError
from lmctl.base.spec import RunnerStatus
from lmctl.manifests.secret_ref import SecretRef
from lmctl.planning.desired import DesiredState
from lmctl.planning.gguf_names import is_gguf, is_projector, split_set
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.known_models import OtherModel
from lmctl.planning.mlx_names import is_mlx, mlx_folder
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.observed import SeenRunner
from lmctl.planning.resolve import HostFacts
from lmctl.planning.weights_values import FileSource, StoredFile, StoredWeights, Weights
from lmctl.reconciler.observe import Observer
from lmctl.reconciler.runners import RunnerEyes
from lmctl.reconciler.strays import StrayEyes

STATUS_DEADLINE = 2.0  # seconds a runner may take to say how it is


@dataclass(frozen=True, slots=True)
class Eyes:
    """All that only reads."""

    home: Home
    processes: Processes
    weights: WeightsStore
    tree: ModelsTree
    downloaded: Downloaded
    runtimes: RuntimeActuator
    observer: Observer

    def host(self) -> HostFacts:
        """Return what resolving needs of this host, read afresh."""
        return HostFacts(
            sockets=str(self.home.sockets),
            user=str(Path.home()),
            control=str(self.home.control),
            local_models=self.models_of_people(),
            recorded=self.weights.recorded(),
            manual=ManualLoads(self.home.root).read(),
        )

    def other_models(self, desired: DesiredState) -> dict[str, OtherModel]:
        """Return the models a user put there that nothing desired is made of, with their headers."""
        named = {each.model for each in desired.weights}
        found = self.models_of_people()
        return {key: self._other(found[key]) for key in found.keys() - named}

    def models_of_people(self) -> dict[str, Weights]:
        """Return the models no file declares, by key: those put there by hand and those people had
        downloaded, as far as they are here.
        """
        asked = {each.model: each.weights for each in self.downloaded.read()}
        here = {key: each for key, each in asked.items() if self.weights.look(each).stored}
        return {**self.tree.local_weights(), **here}

    def _other(self, weights: Weights) -> OtherModel:
        if isinstance(weights.sources[0], FileSource):
            return OtherModel(_first_file(weights), _facts_beforehand(weights))
        stored = self.weights.look(weights).stored
        first = stored.files[0].name if stored else ""
        return OtherModel(first, _facts_of(self.weights, weights, stored))

    def files_of(self, key: str) -> tuple[tuple[StoredFile, Path], ...]:
        """Return the verified files of a weights key with where they lie."""
        return self.weights.files_of(key)


def eyes(
    home: Home,
    *,
    clock: Callable[[], float],
    processes: Processes | None = None,
    silence: Callable[[str], str] = lambda _key: "",
    resync: float = 0.0,
) -> Eyes:
    """Wire the reading half; `silence` says how a process hangs, as far as somebody asked it."""
    processes = processes or Processes()
    weights = WeightsStore(home.root, clock=clock)
    tree = ModelsTree(home.root)
    runtimes = RuntimeActuator(
        home.root,
        features=partial(_features_of, home.root),
        reveal=partial(_reveal, home.root),
    )
    observer = Observer(
        run=home.run,
        runners=RunnerEyes(
            home.runners, processes, _ask_status, silence=silence, damaged=weights.damaged
        ),
        processes=processes,
        look_at_weights=weights.look,
        facts_of=partial(_facts_of, weights),
        runtimes=runtimes.seen,
        host=partial(_host_of, home.root),
        strays=StrayEyes(home.runners, home.run, processes, clock=clock, period=resync),
        silence=silence,
    )
    return Eyes(home, processes, weights, tree, Downloaded(home.root), runtimes, observer)


def _reveal(home: Path, said: Mapping[str, Any]) -> str:
    reference = SecretRef.model_validate({key: each for key, each in said.items() if each})
    return SecretResolver(fingerprint_key(home)).find(reference).reveal()


def _features_of(home: Path) -> tuple[str, ...]:
    return tuple(look_at_host(home, ours=[]).cores.features)


def _host_of(home: Path, runners: tuple[SeenRunner, ...]) -> HostProfile:
    return look_at_host(home, ours=[each.pid for each in runners if each.pid])


async def _ask_status(socket: str) -> RunnerStatus:
    return await runner_client.status(socket, timeout=STATUS_DEADLINE)


def _facts_of(
    store: WeightsStore, weights: Weights, stored: StoredWeights | None
) -> ModelFacts | None:
    if stored is None:
        return _facts_beforehand(weights)
    files = store.files_of(stored.key)
    if any(is_mlx(file.name) for file, _ in files):
        return _mlx_folder(tuple((file.name, path, file.sha256) for file, path in files))
    facts = _headers(
        tuple((path, file.sha256) for file, path in files if not is_projector(file.name))
    )
    beside = sum(file.size for file, _ in files if is_projector(file.name))
    return msgspec.structs.replace(facts, projector=beside) if facts and beside else facts


def _facts_beforehand(weights: Weights) -> ModelFacts | None:
    """Read the header of what will be copied from this very machine."""
    for source in weights.sources:
        if not isinstance(source, FileSource):
            return None  # it comes first, and nobody knows yet whether it serves
        path = Path(source.path)
        if is_mlx(path.name):
            return _mlx_folder(tuple(_seen_beside(path)))
        parts = [path.with_name(each) for each in split_set(path.name)]
        if is_gguf(path.name) and all(each.is_file() for each in parts):
            return _headers(tuple((each, _mark(each)) for each in parts))
    return None


def _first_file(weights: Weights) -> str:
    """Return the name of the file that was put there by hand."""
    return next(Path(each.path).name for each in weights.sources if isinstance(each, FileSource))


def _seen_beside(weights: Path) -> Iterator[tuple[str, Path, str]]:
    """Yield the files of the MLX folder some weights lie in, as far as they are there."""
    for name in mlx_folder([each.name for each in weights.parent.iterdir()], [weights.name]):
        if (path := weights.with_name(name)).is_file():
            yield name, path, _mark(path)


def _mark(path: Path) -> str:
    seen = path.stat()
    return f"{seen.st_size}:{seen.st_mtime_ns}:{seen.st_ino}"


@lru_cache(maxsize=256)
def _mlx_folder(files: tuple[tuple[str, Path, str], ...]) -> ModelFacts | None:
    """Read an MLX folder once per content, which the text says."""
    try:
        return mlx_facts.facts({name: path for name, path, _ in files})
    except (LmctlError, OSError):
        return None  # it is told when it is loaded


@lru_cache(maxsize=256)
def _headers(files: tuple[tuple[Path, str], ...]) -> ModelFacts | None:
    """Read headers once per content, which the text says: parsing one takes 40 to 200 ms."""
    try:
        return gguf_facts.facts([path for path, _ in files])
    except (LmctlError, OSError):
        return None  # not a GGUF (an echo script): nothing to estimate from
