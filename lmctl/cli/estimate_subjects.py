"""What `lmctl estimate` is asked about: a fleet, one of its instances, or a file of weights."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from lmctl.adapters.weights.gguf_facts import facts as gguf_facts
from lmctl.adapters.weights.mlx_facts import facts as mlx_facts
from lmctl.base.errors import NotFound
from lmctl.base.spec import EngineName, LoadSettings
from lmctl.cli.proposing import known, observe
from lmctl.daemon.wiring import Eyes
from lmctl.manifests.bundle import Bundle
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.fit.budget import Guardrails
from lmctl.planning.fit.estimate import Estimate
from lmctl.planning.fit.need import estimated, need, tenant
from lmctl.planning.fit.placing import Tenant
from lmctl.planning.gguf_names import base_name, split_set
from lmctl.planning.host_profile import HostProfile
from lmctl.planning.mlx_names import is_mlx, mlx_folder
from lmctl.planning.model_facts import ModelFacts
from lmctl.planning.observed import ObservedState
from lmctl.reconciler.reading import LastGood, ReadResult

Changed = Callable[[LoadSettings], LoadSettings]


@dataclass(frozen=True, slots=True)
class Subjects:
    """Estimates and weights by name, what stays beside them, and the guardrail in force."""

    estimates: Mapping[str, Estimate | None]
    weights: Mapping[str, str]
    beside: Sequence[Tenant]
    host: HostProfile
    guardrails: Guardrails


@dataclass(frozen=True, slots=True)
class Asking:
    """How to look: with these eyes, for this machine (None: the one we are on), settings changed."""

    see: Eyes
    elsewhere: HostProfile | None
    changed: Changed

    def fleet(self, result: ReadResult) -> Subjects:
        """Ask about every instance that manifests declare."""
        observed = self._look(result.desired)
        return self._subjects(result.desired.instances, observed, result.bundle)

    def instance(self, result: ReadResult, name: str) -> Subjects:
        """Ask about one of them, beside all that runs. Raises NotFound when there is no such one."""
        desired = result.desired
        found = [each for each in desired.instances if each.name == name]
        if not found:
            names = ", ".join(f"instance/{each.name}" for each in desired.instances) or "none"
            raise NotFound(f"no `instance/{name}`", hint=f"there is: {names}")
        observed = self._look(desired)
        others = _running(observed, but=name) if self.elsewhere is None else ()
        return self._subjects(found, observed, result.bundle, beside=others)

    def file(self, path: Path, result: ReadResult | None) -> Subjects:
        """Ask about a file of weights, beside all that runs.

        Raises NotGguf, NotMlx, or NotFound for a part of a split model that is missing.
        """
        facts, engine = _of_file(path)
        desired = result.desired if result else DesiredState(0)
        observed = self._look(desired)
        host = _host(observed)
        load = self.changed(LoadSettings())
        found = estimated(facts, load, engine, features=host.cores.features)
        return Subjects(
            estimates={base_name(str(path)): found},
            weights={},
            beside=_running(observed) if self.elsewhere is None else (),
            host=host,
            guardrails=_guardrails(result.bundle) if result else Guardrails(),
        )

    def _look(self, desired: DesiredState) -> ObservedState:
        observed = asyncio.run(observe(self.see, desired))
        if self.elsewhere is not None:
            return msgspec.structs.replace(observed, host=self.elsewhere, peaks=())
        return msgspec.structs.replace(observed, peaks=known(self.see.home).peaks)

    def _subjects(
        self,
        wanted: Sequence[WantedInstance],
        observed: ObservedState,
        bundle: Bundle,
        beside: Sequence[Tenant] = (),
    ) -> Subjects:
        asked = [replace(each, load=self.changed(each.load)) for each in wanted]
        return Subjects(
            estimates={each.name: need(each, observed) for each in asked},
            weights={
                each.name: ",".join(observed.sha256_of_all(each.all_weights)) for each in asked
            },
            beside=beside,
            host=_host(observed),
            guardrails=_guardrails(bundle),
        )


def _of_file(path: Path) -> tuple[ModelFacts, EngineName]:
    """Return what the header of a file says, with its other parts, and what would load it."""
    mlx = is_mlx(path.name) and path.is_file()
    beside = [each.name for each in path.parent.iterdir()] if mlx else ()
    names = mlx_folder(beside, [path.name]) or split_set(path.name)
    parts = {name: path.with_name(name) for name in names}
    if missing := [name for name, each in parts.items() if not each.is_file()]:
        raise NotFound(f"there is no file `{missing[0]}` in {path.parent}")
    if mlx:
        return mlx_facts(parts), "mlx"
    return gguf_facts(list(parts.values())), "llama.cpp"


def last_followed(see: Eyes) -> ReadResult | None:
    """Return what the box was last told to be, None when it never was."""
    return LastGood(see.home.last_good).read(see.host())


def _running(observed: ObservedState, *, but: str = "") -> tuple[Tenant, ...]:
    return tuple(
        tenant(each, observed) for each in observed.runners if each.alive and each.name != but
    )


def _host(observed: ObservedState) -> HostProfile:
    assert observed.host is not None  # noqa: S101 # every look sees the machine it is on
    return observed.host


def _guardrails(bundle: Bundle) -> Guardrails:
    said = bundle.server.spec.guardrails
    return Guardrails(said.mode, said.custom_threshold)
