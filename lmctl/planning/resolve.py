"""Bundle x host -> desired state: every choice is made here, and each that cannot be is a problem.

Pure: what the host has (folders, models put there by hand) comes in as a value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lmctl.base.diagnostics import Diagnostic, Place, error, warning
from lmctl.base.digests import digest
from lmctl.base.spec import PROMPT_LOOKUP
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.checks import Check as DeclaredCheck
from lmctl.manifests.instance import Instance
from lmctl.manifests.server import Listen
from lmctl.manifests.settings_keys import Section
from lmctl.manifests.suggest import closest
from lmctl.planning.choosing_runtimes import runtime_of, wanted_runtimes
from lmctl.planning.desired import (
    Check,
    DesiredState,
    DriftPolicy,
    OnDemand,
    WantedGateway,
    WantedInstance,
)
from lmctl.planning.fit.budget import Guardrails
from lmctl.planning.formats import LOADS, format_of
from lmctl.planning.layers import Settings, layered, of_preset, path_of, switches, values_of
from lmctl.planning.load_settings import load_settings
from lmctl.planning.manual_loads import ManualLoad, by_request, with_loads
from lmctl.planning.on_demand import loadable, ownership
from lmctl.planning.passed_over import passed_over
from lmctl.planning.served import surface_of
from lmctl.planning.sources import weights_of
from lmctl.planning.tool_servers import label_problems, wanted_tool_servers
from lmctl.planning.wanted_runtimes import WantedRuntime
from lmctl.planning.weights_values import Weights

_SECTIONS = (Section.LOAD, Section.OPERATION)
_DRAFT_MODEL = "llm.prediction.speculativeDecoding.draftModel"


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What resolving must know of the host: where sockets lie, which models a user put there by
    hand (`publisher/name` -> weights), the user's home folder, and where the daemon listens.
    `recorded` are the sha256 of the files stored here, by weights key; `manual` is what somebody
    loaded by hand.
    """

    sockets: str
    user: str = "/"
    control: str = ""
    local_models: Mapping[str, Weights] = field(default_factory=dict)
    recorded: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    manual: tuple[ManualLoad, ...] = ()


@dataclass(frozen=True, slots=True)
class Resolution:
    """A desired state and what was wrong on the way; with a fatal problem it must not be used."""

    desired: DesiredState
    diagnostics: tuple[Diagnostic, ...]

    @property
    def fatal(self) -> bool:
        return any(each.fatal for each in self.diagnostics)


def resolve(bundle: Bundle, host: HostFacts, *, generation: int = 0) -> Resolution:
    """Decide everything a plan needs. All problems are found, not only the first."""
    return _Resolver(bundle, host).resolve(generation)


class _Resolver:
    def __init__(self, bundle: Bundle, host: HostFacts) -> None:
        merged = with_loads(bundle, host.manual)
        self._bundle = merged.bundle
        self._manual = merged.manual
        self._awake = merged.awake
        self._leaving = merged.leaving
        self._taken_over = merged.taken_over
        self._host = host
        self._problems: list[Diagnostic] = []

    def resolve(self, generation: int) -> Resolution:
        models = dict(self._models())
        declared = tuple(self._instances(models))
        asleep = tuple(each for each in declared if self._sleeps(each.name))
        instances = tuple(each for each in declared if not self._sleeps(each.name))
        keys = models.keys() | self._host.local_models.keys()
        server = self._bundle.server.spec
        self._problems.extend(label_problems(self._bundle))
        tool_servers = wanted_tool_servers(self._bundle)
        hosted = {each.name for each in tool_servers}
        desired = DesiredState(
            generation=generation,
            weights=tuple(models[name] for name in sorted(models)),
            runtimes=wanted_runtimes(self._bundle, [each.runtime for each in declared]),
            instances=instances,
            asleep=asleep,
            leaving=self._leaving,
            on_demand=OnDemand(server.jit.enabled, server.jit.keep_only_last, server.jit.per_type),
            gateway=_gateway(server.listen) if server.listen.enabled else None,
            scrub=server.reconcile.scrub,
            guardrails=Guardrails(server.guardrails.mode, server.guardrails.custom_threshold),
            surface=surface_of(
                self._bundle,
                instances,
                loadable(instances, asleep, keys) if server.jit.enabled else (),
                control=self._host.control,
                generation=generation,
            ),
            places=dict(self._object_places(declared)),
            suspended=dict(self._suspended()),
            drift=DriftPolicy(server.reconcile.drift),
            prune=server.reconcile.prune,
            taken_over=self._taken_over,
            tool_servers=tool_servers,
            tool_servers_off=tuple(sorted(self._bundle.mcp_servers.keys() - hosted)),
        )
        return Resolution(desired, tuple(self._problems))

    def _object_places(
        self, instances: Iterable[WantedInstance]
    ) -> Iterator[tuple[str, Mapping[str, str]]]:
        """Yield by object where it and its fields stand, as far as plans tell of them."""
        for each in instances:
            yield f"instance/{each.name}", each.places
        for (kind, name), declared in self._bundle.origins.items():
            if kind in ("Server", "Route"):
                places = {"": declared.place().at}
                for path in declared.paths(("spec",)):
                    places[".".join(map(str, path[1:]))] = declared.place(path).at
                yield "server/gateway" if kind == "Server" else f"route/{name}", places
            elif kind in ("Model", "Runtime"):
                yield f"{kind.lower()}/{name}", {"": declared.place().at}
            elif kind == "McpServer":
                yield f"mcp/{name}", {"": declared.place().at}
            elif kind == "Preset":
                given = of_preset(self._bundle, name)
                places = {path_of(key, Section.OPERATION): e.place for key, e in given.items()}
                yield f"preset/{name}", {"": declared.place().at, **places}

    def _suspended(self) -> Iterator[tuple[str, str]]:
        """Yield the objects that manifests want to be left alone, with where they say so."""
        for name in sorted(self._bundle.instances):
            if self._bundle.instances[name].spec.suspend:
                place = self._bundle.place("Instance", name, "spec", "suspend")
                yield f"instance/{name}", f"`suspend: true` at {place.file}:{place.line}"

    def _models(self) -> Iterator[tuple[str, Weights]]:
        for name in sorted(self._bundle.models):
            resolved = self._bundle.resolve_base(name)
            local = self._host.local_models.get(resolved.beyond or name)
            found = weights_of(
                name, self._bundle, user=self._host.user, recorded=self._host.recorded
            )
            if found is not None:
                yield name, found
            elif local is not None:
                yield name, local
            else:
                place = self._bundle.place("Model", name, "base")
                hint = f"give `base` a list with sources, or put its files under models/{name}/"
                self._problems.append(error(place, f"model `{name}` has no sources", hint))

    def _instances(self, models: dict[str, Weights]) -> Iterator[WantedInstance]:
        for name in sorted(self._bundle.instances):
            instance = self._bundle.instances[name]
            weights = self._weights_for(instance, models, self._model_of(instance), "model")
            if weights is None:
                continue
            runtime = self._runtime_for(instance, weights)
            if runtime is None:
                continue
            models.setdefault(weights.model, weights)
            wanted = self._wanted(instance, weights, runtime)
            yield self._with_draft(wanted, instance, models)

    def _with_draft(
        self, wanted: WantedInstance, instance: Instance, models: dict[str, Weights]
    ) -> WantedInstance:
        """Return an instance with the model that guesses tokens for it, if one does."""
        drafter, asked = wanted.load.drafter, wanted.operation.get(_DRAFT_MODEL)
        if asked not in (None, "", PROMPT_LOOKUP, drafter):
            hint = f"name it in `load.speculativeDraftModel` too, or write `{PROMPT_LOOKUP}`"
            self._complain(instance, "operation", f"no draft model `{asked}` is loaded", hint)
        if drafter in ("", PROMPT_LOOKUP):
            return wanted
        draft = self._weights_for(instance, models, drafter, "load")
        if draft is None:
            return wanted
        models.setdefault(draft.model, draft)
        spec_digest = digest({"of": wanted.spec_digest, "draft": draft.key})
        return replace(wanted, draft=draft, spec_digest=spec_digest,
                       socket=self._socket(wanted.name, spec_digest))  # fmt: skip

    def _socket(self, name: str, spec_digest: str) -> str:
        return f"{self._host.sockets}/{name}-{spec_digest[:8]}.sock"

    def _model_of(self, instance: Instance) -> str:
        """Return the key of its model: a variant with weights of its own has one too."""
        asked = instance.spec.model
        return asked if asked in self._host.local_models else instance.spec.model_key

    def _weights_for(
        self, instance: Instance, models: Mapping[str, Weights], wanted: str, field_: str
    ) -> Weights | None:
        known = {**self._host.local_models, **models}
        if wanted in known:
            return known[wanted]
        if wanted not in self._bundle.models:  # its own problem is told where it stands
            near = closest(wanted, known)
            hint = f"did you mean `{near}`?" if near else "add a model.yaml that declares it"
            self._complain(instance, field_, f"no model `{wanted}` is declared or stored", hint)
        return None

    def _runtime_for(self, instance: Instance, weights: Weights) -> WantedRuntime | None:
        runtime = runtime_of(self._bundle, instance, weights)
        if runtime is None:  # of a load by hand: what files say was checked when they were read
            message = f"no runtime `{instance.spec.runtime}` is declared"
            self._complain(instance, "runtime", message, "`lmctl runtime ls` shows those there are")
            return None
        written, loads = format_of(self._bundle, weights), LOADS.get(runtime.engine, "")
        if loads and written and loads != written:
            message = f"runtime `{runtime.name}` loads {loads}, and `{weights.model}` is {written}"
            self._complain(instance, "runtime", message, "leave `runtime` out")
            return None
        return runtime

    def _wanted(
        self, instance: Instance, weights: Weights, runtime: WantedRuntime
    ) -> WantedInstance:
        name, spec = instance.metadata.name, instance.spec
        load = self._manual.get(name) or self._awake.get(name)
        owner, ttl = ownership(instance, load, self._bundle.server.spec.jit)
        given = {each: layered(self._bundle, instance, each) for each in _SECTIONS}
        keep = spec.residency.keep_prefixes
        settings = load_settings(values_of(given[Section.LOAD]), keep_prefixes=keep)
        limits = self._bundle.server.spec.limits
        if name not in self._manual:
            for path, message in passed_over(runtime.engine, given):
                place = self._bundle.place("Instance", name, "spec", *path)
                self._problems.append(warning(place, message, "leave it out"))
        spec_digest = digest(
            {
                "engine": runtime.engine,
                "runtime": runtime.build.digest if runtime.build else runtime.name,
                "load": settings,
                "model": weights.model,
                "weights": weights.key,
            }
        )
        return WantedInstance(
            name=name,
            identifier=instance.identifier,
            model=weights.model,
            engine=runtime.engine,
            runtime=runtime.name,
            build=runtime.build,
            weights=weights,
            load=settings,
            spec_digest=spec_digest,
            socket=self._socket(name, spec_digest),
            max_drain=spec.strategy.max_drain,
            max_load=spec.strategy.max_load,
            queue=limits.queue,
            queue_deadline=limits.queue_deadline,
            operation=values_of(given[Section.OPERATION]),
            custom_fields=switches(self._bundle, instance),
            strategy=spec.strategy.type,
            checks=tuple(_check(each) for each in spec.checks),
            renamed_from=spec.renamed_from or self._loaded_before(name),
            owner=owner,
            ttl=ttl,
            drift=DriftPolicy(spec.drift or self._bundle.server.spec.reconcile.drift),
            priority=spec.residency.priority,
            memory=spec.memory.budget,
            recycle=spec.memory.over_budget == "recycle",
            places=self._places(instance, given),
        )

    def _sleeps(self, name: str) -> bool:
        """Say whether an instance waits for a request to load it."""
        return by_request(self._bundle.instances[name]) and name not in self._awake

    def _places(self, instance: Instance, given: Mapping[Section, Settings]) -> dict[str, str]:
        """Return where everything stands that an instance comes to, by its path in an Instance."""
        if instance.metadata.name in self._manual:
            return {}  # it stands in no file
        declared = self._bundle.origins["Instance", instance.metadata.name]
        found = {"": declared.place().at}
        for path in declared.paths(("spec",)):
            found[".".join(str(each) for each in path[1:])] = declared.place(path).at
        for section, settings in given.items():
            found |= {path_of(key, section): each.place for key, each in settings.items()}
        weights = self._bundle.origins.get(("Model", self._made_of(instance)))
        if weights is not None:
            found["weights"] = weights.place(("base",)).at
        return found

    def _loaded_before(self, name: str) -> str | None:
        """Return the name under which what is declared now was loaded by hand, if it was another."""
        before = (loaded for loaded, declared in self._taken_over.items() if declared == name)
        return next((each for each in before if each != name), None)

    def _complain(self, instance: Instance, field_: str, message: str, hint: str) -> None:
        """Tell what is wrong with an instance; one loaded by hand must not break what is declared."""
        name = instance.metadata.name
        if name in self._manual:
            text = f"instance/{name}, loaded by hand, cannot be had: {message}"
            self._problems.append(warning(Place("lmctl load"), text, f"`lmctl unload {name}`"))
        else:
            place = self._bundle.place("Instance", name, "spec", field_)
            self._problems.append(error(place, message, hint))

    def _made_of(self, instance: Instance) -> str:
        """Return the model whose file names the weights: the last of the chain."""
        key = instance.spec.model_key
        return self._bundle.resolve_base(key).chain[-1] if key in self._bundle.models else key


def _check(declared: DeclaredCheck) -> Check:
    expect = declared.expect
    return Check(
        prompt=declared.prompt,
        regex=expect.regex if expect else None,
        json_schema=expect.json_schema if expect else None,
        max_seconds=declared.max_seconds,
    )


def _gateway(listen: Listen) -> WantedGateway:
    fields = {"host": listen.host, "port": listen.port, "workers": listen.workers}
    return WantedGateway(listen.host, listen.port, listen.workers, digest(fields))
