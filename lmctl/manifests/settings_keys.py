"""Every `llm.*` key: what it may be, what it is called where, and what changing it costs.

The rows stand in `settings_table`; this module looks them up, checks values and brings the two
spellings a person can use, LM Studio's `{key, value}` fields and the SDK's names, to one flat
mapping from full key to value, in which None is a checkbox that is not checked.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from lmctl.base.changes import ChangeClass
from lmctl.manifests import settings_table, suggest
from lmctl.manifests.rules import Rule, show


class Section(StrEnum):
    """When a setting counts: at load, at each prediction, or for chat with documents."""

    LOAD = "load"
    OPERATION = "operation"
    RETRIEVAL = "retrieval"


class Domain(StrEnum):
    """What kind of model a key is for; keys without a kind of their own are LLM."""

    LLM = "llm"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Setting:
    """One key. `name` is the SDK's (dots nest), or the key's tail where the SDK has none
    (`named` False). A `checkbox` can be turned off: its value then is None, and so is its
    default if it starts off. `gguf` and `mlx` say which formats honour it.
    """

    key: str
    rule: Rule
    checkbox: bool
    default: Any
    name: str
    named: bool
    wire: str | None
    gguf: bool
    mlx: bool
    section: Section
    domain: Domain = Domain.LLM

    @property
    def change(self) -> ChangeClass:
        return ChangeClass.RELOAD if self.section is Section.LOAD else ChangeClass.HOT

    @property
    def expectation(self) -> str:
        """Return what a value has to be, in words."""
        if self.checkbox:
            return f"{self.rule.expectation}, or `false` to turn it off"
        return self.rule.expectation

    def check(self, value: Any) -> Any:
        """Return the normal form of a value: a checkbox's own value, or None if unchecked.

        Raises ValueError saying what was expected.
        """
        if not self.checkbox:
            return self.rule.check(value)
        if isinstance(value, Mapping) and "checked" in value:
            if unknown := set(value) - {"checked", "value"}:
                raise ValueError(f"unknown field `{min(unknown)}`, expected `checked` and `value`")
            if not isinstance(value["checked"], bool):
                raise ValueError(
                    f"`checked`: expected true or false, found {show(value['checked'])}"
                )
            if not value["checked"]:
                return None
            if value.get("value") is None:
                raise ValueError(
                    f"checked, but `value` is missing: expected {self.rule.expectation}"
                )
            value = value["value"]
        if value is None or value is False:
            return None
        try:
            return self.rule.check(value)
        except ValueError as error:
            raise ValueError(f"expected {self.expectation}, found {show(value)}") from error


def _rows() -> Iterator[Setting]:
    prediction = (("llm.prediction." + row[0], *row[1:]) for row in settings_table.PREDICTION)
    for rows, section, domain in (
        (prediction, Section.OPERATION, Domain.LLM),
        (settings_table.LOAD, Section.LOAD, Domain.LLM),
        (settings_table.EMBEDDING, Section.LOAD, Domain.EMBEDDING),
        (settings_table.RETRIEVAL, Section.RETRIEVAL, Domain.LLM),
    ):
        for key, rule, checkbox, default, name, wire, gguf, mlx in rows:
            named = not name.endswith("*")
            yield Setting(
                key, rule, checkbox, default, name.removesuffix("*"), named, wire or None,
                gguf, mlx, section, domain,
            )  # fmt: skip


SETTINGS: Final = tuple(_rows())
# What counts here where nobody says anything, if that is not LM Studio's default; None leaves it
# to the engine. What is declared is what is loaded, unless auto-fit is asked for. 4096 tokens are enough for tools and a few turns, and small enough to fit beside
# others.
OWN_DEFAULTS: Final[Mapping[str, Any]] = {
    "llm.load.contextLength": 4096,
    "llm.load.useUnifiedKvCache": False,
    "llm.load.llama.autoFit": False,
    "llm.load.mlx.autoFit": False,
    "llm.load.llama.cpuThreadPoolSize": None,
    "llm.load.llama.flashAttention": None,
    "llm.load.llama.keepModelInMemory": False,
    "llm.load.llama.speculativeDecoding.draftMaxTokens": None,
}
CUSTOM_FIELD_PREFIX: Final = "ext.virtualModel.customField."

_BY_KEY: Final = {each.key: each for each in SETTINGS}
_BY_NAME: Final = {(each.section, each.domain, each.name): each for each in SETTINGS}
_GPU_SPLIT: Final = "load.gpuSplitConfig"
# REST spells these otherwise than the SDK, and the short form is what people write.
ALIASES: Final = {Section.LOAD: {"parallel": "maxParallelPredictions"}}
GPU_FIELDS: Final = ("splitStrategy", "mainGpu", "priority", "disabledGpus", "customRatio")


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong in a mapping of settings, and where below it."""

    path: tuple[str | int, ...]
    message: str
    hint: str | None = None


def by_key(key: str) -> Setting | None:
    """Return the setting with this full key, or None."""
    return _BY_KEY.get(key)


def load_key(key: str) -> str:
    """Return the key a load setting counts under: an embedding model's own is that of any model."""
    own = f"{Domain.EMBEDDING}.load."
    return f"{Domain.LLM}.load.{key.removeprefix(own)}" if key.startswith(own) else key


def by_name(name: str, section: Section, *, domain: Domain = Domain.LLM) -> Setting | None:
    """Return the setting with this SDK name (`gpu.ratio`) or short alias, or None."""
    name = ALIASES.get(section, {}).get(name, name)
    return _BY_NAME.get((section, domain, name))


def aliases(section: Section) -> dict[str, Setting]:
    """Return the settings of a section that have a short alias, by that alias."""
    short = ALIASES.get(section, {})
    return {alias: _BY_NAME[section, Domain.LLM, name] for alias, name in short.items()}


def names(section: Section, *, domain: Domain = Domain.LLM) -> tuple[str, ...]:
    """Return every SDK name of a section, in the table's order, aliases last."""
    found = [each.name for each in SETTINGS if (each.section, each.domain) == (section, domain)]
    return (*found, *ALIASES.get(section, {}))


def validate(key: str, value: Any) -> Any:
    """Return the normal form of a value for a full key.

    Custom fields (`ext.virtualModel.customField.*`) may be anything. Raises ValueError saying
    what was expected, or that there is no such key.
    """
    if key.startswith(CUSTOM_FIELD_PREFIX):
        return value
    setting = _BY_KEY.get(key)
    if setting is None:
        raise ValueError(f"unknown key `{key}`{suggest.did_you_mean(key, _BY_KEY, prefix='; ')}")
    return setting.check(value)


def flatten(
    settings: Mapping[str, Any], section: Section, *, domain: Domain = Domain.LLM
) -> dict[str, Any]:
    """Return `{full key: value}` for settings given by SDK name, `gpu` nested or dotted.

    Raises ValueError for the first setting that is unknown or has a wrong value.
    """
    flat, troubles = flatten_all(settings, section, domain=domain)
    if troubles:
        where = ".".join(map(str, troubles[0].path))
        raise ValueError(f"`{where}`: {troubles[0].message}")
    return flat


def flatten_all(
    settings: Mapping[str, Any], section: Section, *, domain: Domain = Domain.LLM
) -> tuple[dict[str, Any], list[Trouble]]:
    """Return what could be read as `{full key: value}`, and everything wrong with the rest."""
    flat: dict[str, Any] = {}
    given: dict[str, str] = {}
    troubles: list[Trouble] = []
    for path, value in _spread(settings, section):
        name = ".".join(path)
        setting = by_name(name, section, domain=domain)
        if setting is None:
            troubles.append(_unknown(path, section, domain))
            continue
        first = given.setdefault(setting.key, name)
        if first != name:
            message = f"`{name}` and `{first}` are the same setting"
            troubles.append(Trouble(path, message, "keep one of the two"))
            continue
        try:
            flat[setting.key] = setting.check(value)
        except ValueError as error:
            hint = "leave the line out to keep the default" if value is None else None
            troubles.append(Trouble(path, str(error), hint))
    gpu = settings.get("gpu")
    if section is Section.LOAD and isinstance(gpu, Mapping) and any(f in gpu for f in GPU_FIELDS):
        _split(gpu, flat, troubles)
    return flat, troubles


def _spread(settings: Mapping[str, Any], section: Section) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every setting with its path; `gpu` is the one name that nests."""
    for name, value in settings.items():
        if name == "gpu" and section is Section.LOAD and isinstance(value, Mapping):
            yield from (((name, each), value[each]) for each in value if each not in GPU_FIELDS)
        else:
            yield (name,), value


def _split(gpu: Mapping[str, Any], flat: dict[str, Any], troubles: list[Trouble]) -> None:
    """Bring the SDK's `gpu` fields to the one key they are stored under."""
    config: dict[str, Any] = {}
    rules = _BY_KEY[_GPU_SPLIT].rule.fields
    for name in (each for each in GPU_FIELDS if each in gpu):
        value, field = gpu[name], name
        if name == "splitStrategy":
            field = "strategy"
            value = "priorityOrder" if value == "favorMainGpu" else value
        elif name == "mainGpu":
            field, value = "priority", [value]
        try:
            config[field] = rules[field].check(value)
        except ValueError as error:
            troubles.append(Trouble(("gpu", name), str(error)))
    if _GPU_SPLIT in flat:
        troubles.append(
            Trouble(("gpu",), "given here and in `gpuSplitConfig`", "keep one of the two")
        )
    flat[_GPU_SPLIT] = config


def _unknown(path: tuple[str, ...], section: Section, domain: Domain) -> Trouble:
    name = ".".join(path)
    other = Section.LOAD if section is Section.OPERATION else Section.OPERATION
    if by_name(name, other, domain=domain):
        return Trouble(path, f"`{name}` is no {section} setting", f"move it to `{other}`")
    known = names(section, domain=domain)
    if section is Section.LOAD:
        known = (*known, *(f"gpu.{each}" for each in GPU_FIELDS))
    return Trouble(path, f"unknown setting `{name}`", suggest.hint(name, known, what="settings"))
