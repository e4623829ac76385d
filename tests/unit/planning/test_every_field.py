"""Every field of every kind is changed, twice, broken once and put back: does it cost what it says?

The base fleet is in sync. A changed field must be planned as its change class promises (a hot one
touches no process, a reload fetches nothing, and so on), its mistake must be told with a place in
the file, and putting it back must leave nothing to do: the digest and the box are as before.
"""

import copy
import dataclasses
import json
from collections.abc import Iterator
from typing import Any

import pytest

from lmctl.manifests.bundle import Reading, read
from lmctl.manifests.not_yet import HONOURED
from lmctl.manifests.rules import Kind, Rule
from lmctl.manifests.schema import WRITTEN_BY_PEOPLE, schema
from lmctl.manifests.schema_fields import fields
from lmctl.manifests.settings_keys import SETTINGS, Domain, Section, Setting
from lmctl.planning import plan as plans
from lmctl.planning.desired import DesiredState
from lmctl.planning.observed import ObservedState, SeenGateway, SeenRuntime
from lmctl.planning.plan import Plan
from lmctl.planning.planner import make_plan
from lmctl.planning.resolve import HostFacts, resolve
from tests.support.worlds import seen, stored

API = "lmctl/v1alpha1"
HOST = HostFacts(sockets="/run/lmctl")
FIRST = [{"key": "acme/m", "sources": [{"type": "file", "path": "/weights/m.gguf"}]}]
OTHER = [{"key": "acme/n", "sources": [{"type": "file", "path": "/weights/n.gguf"}]}]
SHA = ("a" * 64, "b" * 64)

FILES: dict[str, Any] = {
    "models/m/model.yaml": {
        "model": "acme/m",
        "base": FIRST,
        "customFields": [{"key": "enableThinking", "type": "boolean"}],
    },
    "models/n/model.yaml": {"model": "acme/n", "base": OTHER},
    "server.yaml": {"apiVersion": API, "kind": "Server", "metadata": {"name": "box"}, "spec": {}},
    "chat.yaml": {
        "apiVersion": API,
        "kind": "Instance",
        "metadata": {"name": "chat"},
        "spec": {"model": "acme/m", "identifier": "chat"},
    },
    "other.yaml": {
        "apiVersion": API,
        "kind": "Instance",
        "metadata": {"name": "other"},
        "spec": {"model": "acme/n", "identifier": "other"},
    },
    "runtime.yaml": {
        "apiVersion": API,
        "kind": "Runtime",
        "metadata": {"name": "bench"},
        "spec": {"engine": "llama.cpp", "version": "0.3.36"},
    },
    "route.yaml": {
        "apiVersion": API,
        "kind": "Route",
        "metadata": {"name": "small"},
        "spec": {"targets": [{"instance": "chat"}]},
    },
    "terse.preset.json": {"identifier": "terse", "operation": {"fields": []}},
    "mcp.json": {"mcpServers": {"files": {"command": "files-server"}}},
}
FILE_OF = {
    "model": "models/m/model.yaml",
    "server": "server.yaml",
    "instance": "chat.yaml",
    "runtime": "runtime.yaml",
    "route": "route.yaml",
    "preset": "terse.preset.json",
    "mcp": "mcp.json",
}


@dataclasses.dataclass(frozen=True)
class Change:
    """Two values a field may have and one it may not (None: it may be anything)."""

    kind: str
    path: str
    values: tuple[Any, Any]
    bad: Any = dataclasses.field(default_factory=lambda: {"no": {"such": "thing"}})
    beside: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.kind}.{self.path}"


def server(path: str, *values: Any, **more: Any) -> Change:
    return Change("server", f"spec.{path}", values, **more)


def instance(path: str, *values: Any, **more: Any) -> Change:
    return Change("instance", f"spec.{path}", values, **more)


def model(path: str, *values: Any, **more: Any) -> Change:
    return Change("model", path, values, **more)


JIT = {"spec.residency.mode": "jit"}
SAFE = {"spec.auth.required": False}
HAND_MADE = (
    server("listen.enabled", False, True),
    server("listen.host", "127.0.0.2", "0.0.0.0"),
    server("listen.port", 4321, 4322, bad=70_000),
    server("listen.workers", 2, 3, bad=0),
    server("auth.required", True, False, bad="perhaps"),
    server(
        "auth.tokens",
        [{"name": "a", "hash": "sha256:" + "a" * 64}],
        [{"name": "a", "hash": "sha256:" + "b" * 64, "scopes": ["inference"]}],
        bad=[{"name": "a", "hash": "sha256:" + "a" * 64, "secretRef": {"env": "A"}}],
    ),
    server("mcp.allowFile", True, False, beside={"spec.auth.required": True}),
    server("cors.enabled", True, False),
    server("cors.origins", ["http://a"], ["http://b"], bad="*"),
    server("jit.enabled", False, True),
    server("jit.ttl", "5m", "2h", bad="soon"),
    server("jit.autoUnload", False, True),
    server("jit.keepOnlyLast", False, True),
    server("jit.perType", False, True),
    server("jit.deadline", "1m", "2m", bad="0s"),
    server("mcp.allowPerRequest", True, False),
    server("mcp.privateNetworks", ["10.0.0.0/8"], ["fd00::/8"], bad=["10.0.0.1/8"]),
    server("mcp.rounds", 1, 2, bad=0),
    server("mcp.callTimeout", "1s", "2s", bad="0s"),
    server("mcp.maxOutput", "1Ki", "2Ki", bad="0"),
    server("guardrails.mode", "off", "strict", bad="very"),
    server("guardrails.customThreshold", "1Gi", "2Gi", bad="much"),
    server("conversations.keep", "1d", "2d", bad=0),
    server("conversations.most", 1, 2, bad=0),
    server("limits.queue", 1, 2, bad=-1),
    server("limits.queueDeadline", "1s", "2s", bad="0s"),
    server("limits.bodySize", "1Mi", "2Mi", bad="0"),
    server("limits.bodyTimeout", "1s", "2s", bad="0s"),
    server("limits.concurrency", 1, 2, bad=0),
    server("reconcile.drift", "report", "ignore", bad="sometimes"),
    server("reconcile.prune", False, True),
    server("reconcile.allowEmpty", True, False),
    server("reconcile.maxPrunePercent", 10, 90, bad=101),
    server("reconcile.keepGenerations", 1, 9, bad=-1),
    server("reconcile.scrub", "1d", "2d", bad="weekly"),
    server("secrets", {"hub": {"env": "A"}}, {"hub": {"env": "B"}}, bad={"hub": {}}),
    server("defaults.contextLength", 777, 888, bad=0),
    server("defaults.runtime", "bench", "llama.cpp", bad=7),
    server("limits.requestDeadline", "1m", "2m", bad="0s"),
    server("compat.unknownEndpointStatus", 200, 404, bad=500),
    server("compat.separateReasoning", False, True),
    server("logging.requests", "off", "full", bad="loud"),
    server("logging.prompts", True, False),
    server("logging.tokens", True, False),
    instance("model", "acme/n", "acme/m", bad="no slash"),
    instance("identifier", "talk", "say", bad=""),
    instance("runtime", "echo", "llama.cpp", bad=7),
    instance("customFields", {"enableThinking": True}, {}, bad=[]),
    instance("residency.mode", "pinned", "pinned", bad="always"),
    instance("residency.priority", 1, 2, bad="high"),
    instance("residency.keepPrefixes", True, False, bad="always"),
    instance("strategy.type", "surge", "drain", bad="yolo"),
    instance("strategy.maxDrain", "1s", "2s", bad="long"),
    instance("strategy.maxLoad", "1s", "2s", bad="long"),
    instance("strategy.onFailure", "keepOld", "keepOld", bad="panic"),
    instance(
        "checks", [{"prompt": "2+2?", "expect": {"regex": "4"}}], [{"prompt": "Hi"}], bad=[{}]
    ),
    instance("memory.budget", "1Gi", "2Gi", bad="some"),
    instance("memory.overBudget", "recycle", "report", bad="panic"),
    instance("drift", "report", "ignore", bad="never"),
    instance("placement.labels", {"gpu": "none"}, {}, bad=[]),
    instance("suspend", True, False),
    instance("renamedFrom", "talk", "say", bad="No Name"),
    Change("runtime", "spec.package", ("llama-cpp-python", "llama-cpp-python"), bad=7),
    Change("runtime", "spec.version", ("0.3.35", "0.3.34"), bad=0.3),
    Change("runtime", "spec.engine", ("llama.cpp", "llama.cpp"), bad="steam"),
    Change("runtime", "spec.buildFlags", (["-DGGML_NATIVE=ON"], ["-DGGML_NATIVE=OFF"]), bad="-D"),
    Change("runtime", "spec.environment", ({"OMP_NUM_THREADS": "1"}, {}), bad=[]),
    Change("route", "spec.names", (["tiny"], ["wee"]), bad="tiny"),
    Change("route", "spec.targets", ([{"instance": "other"}], [{"instance": "chat"}]), bad=[]),
    Change("route", "spec.fallback", (["other"], []), bad="other"),
    Change("preset", "name", ("Terse", "Brief"), bad=7),
    Change("preset", "inference_params", ({"temp": 1}, {}), bad=[]),
    Change("preset", "load_params", ({"n_ctx": 1}, {}), bad=[]),
    Change("mcp", "mcpServers.files.command", ("a", "b"), bad=7),
    Change("mcp", "mcpServers.files.args", (["a"], ["b"]), bad="a"),
    Change("mcp", "mcpServers.files.env", ({"MODE": "a"}, {}), bad=[]),
    Change("mcp", "mcpServers.files.cwd", ("/a", "/b"), bad=7),
    Change("mcp", "mcpServers.files.type", ("http", "sse"), bad="smoke"),
    Change(
        "mcp",
        "mcpServers.files.auth",
        ({"CLIENT_ID": "a"}, {"CLIENT_ID": "b"}),
        bad={"CLIENT_ID": 7},
    ),
    model("base", OTHER, FIRST, bad=[]),
    model("tags", ["a"], ["b"], bad="a"),
    model("metadataOverrides.domain", "llm", "embedding", bad="poetry"),
    model("metadataOverrides.vision", True, "mixed", bad="sometimes"),
)


def number_pair(rule: Rule) -> tuple[float, float]:
    if rule.choices:
        return rule.choices[0], rule.choices[-1]
    low = rule.low if rule.low is not None else 0
    if rule.kind is Kind.RATIO or (rule.high is not None and rule.high - low <= 1):
        return (0.25, 0.75) if rule.kind is not Kind.INTEGER else (low, low + 1)
    return low + 1, low + 2


TEMPLATES = tuple(
    {"type": "jinja", "jinjaPromptTemplate": {"template": text}} for text in ("one", "two")
)


def pair(rule: Rule) -> tuple[Any, Any]:
    """Two values a setting may have."""
    match rule.kind:
        case Kind.NUMBER | Kind.INTEGER | Kind.RATIO:
            return number_pair(rule)
        case Kind.BOOLEAN:
            return True, False
        case Kind.CHOICE:
            return rule.choices[0], rule.choices[-1]
        case Kind.LIST:
            one, two = pair(rule.item) if rule.item else (1, 2)
            return [one], [two]
        case Kind.OBJECT:
            if "jinjaPromptTemplate" in rule.fields:
                return TEMPLATES
            name, below = next(iter(rule.fields.items()))
            one, two = pair(below)
            return {name: one}, {name: two}
        case Kind.TEXT_MAP:
            return {"a": "b"}, {"a": "c"}
        case Kind.LOGIT_BIAS:
            return [[1, 2]], [[1, 3]]
    return "one", "two"


def settings(section: Section) -> Iterator[Setting]:
    yield from (each for each in SETTINGS if (each.section, each.domain) == (section, Domain.LLM))


DRAFTERS = ("speculativeDraftModel", "draftModel")  # a model they name must be there


def setting_changes() -> Iterator[tuple[Change, Setting]]:
    """Every load and prediction setting, in an Instance by its SDK name, in a model by its key."""
    for section, block in ((Section.LOAD, "load"), (Section.OPERATION, "operation")):
        for each in settings(section):
            one, two = pair(each.rule) if each.name not in DRAFTERS else ("", "prompt-lookup")
            bad = None if each.rule.kind is Kind.ANY else {"no": {"such": "thing"}}
            if each.name != "gpuSplitConfig":
                yield Change("instance", f"spec.{block}.{each.name}", (one, two), bad=bad), each

            def fields_of(value: Any, key: str = each.key) -> list[dict[str, Any]]:
                return [{"key": key, "value": value}]

            if each.checkbox:
                one, two = ({"checked": True, "value": value} for value in (one, two))
            values = fields_of(one), fields_of(two)
            wrong = fields_of(bad) if bad else [{"key": "llm.no.such.key", "value": 1}]
            yield Change("model", f"config.{block}.fields", values, bad=wrong), each


CHANGES = [
    *(pytest.param(each, None, id=str(each)) for each in HAND_MADE),
    *(
        pytest.param(change, setting, id=f"{change} {setting.key}")
        for change, setting in setting_changes()
    ),
]


def edited(change: Change, value: Any) -> dict[str, Any]:
    files = copy.deepcopy(FILES)
    for path, each in {**change.beside, change.path: value}.items():
        put(files[FILE_OF[change.kind]], path.split("."), each)
    return files


def put(node: Any, path: list[str], value: Any) -> None:
    for name in path[:-1]:
        node = node.setdefault(name, {})
    node[path[-1]] = value


def reading(files: dict[str, Any]) -> Reading:
    # JSON is YAML: one line per value, so that a mistake has a line to be told at.
    return read({name: json.dumps(content, indent=1).encode() for name, content in files.items()})


def goal_of(found: Reading) -> DesiredState:
    resolution = resolve(found.bundle, HOST, generation=1)
    assert not resolution.fatal, resolution.diagnostics
    return resolution.desired


def in_sync(goal: DesiredState) -> ObservedState:
    gateway = goal.gateway
    return ObservedState(
        weights={each.key: stored(each) for each in goal.weights},
        runtimes={each.name: SeenRuntime(each.name, "0.3.36") for each in goal.runtimes},
        runners=tuple(seen(each) for each in goal.instances),
        gateway=SeenGateway(7, gateway.digest, ("127.0.0.1:1234",)) if gateway else None,
        surface=goal.surface,
    )


BASE = reading(FILES)
GOAL = goal_of(BASE)
BOX = in_sync(GOAL)
CLASSES = {
    (name, each.path): each.change for name in WRITTEN_BY_PEOPLE for each in fields(schema(name))
}
PROCESS = (plans.LoadInstance, plans.UnloadInstance, plans.RestoreInstance)
LISTENER = (plans.StartGateway, plans.StopGateway)


def kinds_of(plan: Plan) -> set[type]:
    return {type(each.step) for each in plan.steps}


# At another port the next one listens before the last one ends.
LISTENERS = {
    "spec.listen.port": {plans.StartGateway},
    "spec.listen.enabled": {plans.StopGateway},
}


def test_the_base_fleet_is_in_sync_with_its_box():
    assert not BASE.fatal, BASE.diagnostics
    assert make_plan(GOAL, BOX).empty


@pytest.mark.parametrize(("change", "setting"), CHANGES)
def test_a_change_costs_what_its_class_says_and_putting_it_back_leaves_nothing(change, setting):
    promised = CLASSES[change.kind, schema_path(change)]
    for value in change.values:
        found = reading(edited(change, value))
        assert not found.fatal, found.diagnostics
        steps = kinds_of(make_plan(goal_of(found), BOX))
        without_effect = found.bundle.digest == BASE.bundle.digest or (
            setting is not None and setting.key not in HONOURED
        )
        if without_effect:
            assert not steps & {*PROCESS, *LISTENER}
        elif promised == "hot":
            proving = {plans.LoadInstance} if change.path == "spec.checks" else set()
            assert not (steps - proving) & {*PROCESS, *LISTENER}, promised
        elif promised == "reload":
            assert plans.FetchWeights not in steps
            assert not steps & set(LISTENER)
        elif promised == "server-restart":
            assert steps == LISTENERS.get(change.path, set(LISTENER))
    back = reading(FILES)
    assert back.bundle.digest == BASE.bundle.digest
    assert make_plan(goal_of(back), BOX).empty


@pytest.mark.parametrize(
    "change", [each.values[0] for each in CHANGES if each.values[0].bad is not None], ids=str
)
def test_a_mistake_is_told_at_its_place(change):
    found = reading(edited(change, change.bad))
    told = [each for each in found.diagnostics if each.place.file == FILE_OF[change.kind]]
    native = change.kind in ("mcp", "preset")
    assert told if native else found.fatal, str(change)
    assert all(each.place.line > 1 for each in told), told


def schema_path(change: Change) -> str:
    return change.path.replace("mcpServers.files", "mcpServers.*")


def test_a_reload_setting_that_counts_is_echoed_by_the_runner_it_starts():
    """What a runner would be started with is what was declared, for every load setting honoured."""
    tried = 0
    for change, setting in setting_changes():
        if change.kind != "instance" or setting.key not in HONOURED or "load" not in change.path:
            continue
        goals = [goal_of(reading(edited(change, value))) for value in change.values]
        digests = {goal.instances[0].spec_digest for goal in goals}
        loads = {repr(goal.instances[0].load) for goal in goals}
        assert len(digests) == len(loads) == 2, setting.key
        tried += 1
    assert tried >= 15


def test_every_field_of_every_kind_is_changed_here():
    """A field added to a kind must be added here, or say why it cannot be changed alone."""
    changed = {(each.values[0].kind, schema_path(each.values[0])) for each in CHANGES}
    missing = [
        f"{kind}.{path}"
        for (kind, path) in CLASSES
        if (kind, path) not in changed and not covered(kind, path, changed)
    ]
    assert missing == []


ALONE = {
    ("*", "apiVersion"), ("*", "kind"), ("*", "metadata"), ("*", "metadata.name"), ("*", "spec"),
    ("model", "model"), ("preset", "identifier"),
    ("instance", "spec.residency.ttl"),  # needs mode: jit, which is not honoured alone
    ("instance", "spec.load.parallel"),  # another name of maxParallelPredictions
    ("instance", "spec.operation.preset"), ("route", "spec.preset"), ("mcp", "mcpServers.*.url"), ("mcp", "mcpServers.*.headers"),
    ("model", "customFields"), ("model", "suggestions"),
}  # fmt: skip


def covered(kind: str, path: str, changed: set[tuple[str, str]]) -> bool:
    """Say whether a field is changed with its parent, or stands over fields that are."""
    if (kind, path) in ALONE or ("*", path) in ALONE:
        return True
    for other, known in changed | ALONE:
        below = path.startswith(tuple(f"{known}{mark}" for mark in ".[("))
        over = known.startswith(f"{path}.")
        if other in (kind, "*") and known not in ("spec", "metadata") and (below or over):
            return True
    return path.startswith(("config.", "metadataOverrides", "operation", "load", "spec.load.gpu"))
