"""What changes when the gateway is told something new, each field by the object it belongs to."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lmctl.base.changes import ChangeClass
from lmctl.manifests.settings_keys import Section
from lmctl.planning.desired import DesiredState, WantedInstance
from lmctl.planning.field_text import shown
from lmctl.planning.fields import worded
from lmctl.planning.layers import path_of
from lmctl.planning.plan import FieldChange
from lmctl.planning.surface import ServedAlias, ServedRoute, Surface

SERVER = "server/gateway"


def surface_changes(
    old: Surface | None, new: Surface, desired: DesiredState
) -> Iterator[FieldChange]:
    """Yield names and prediction defaults of instances that differ, then what Routes lead to, then
    presets, then settings of the server.
    """
    wanted = {each.name: each for each in desired.instances}
    before = _by_instance(old, wanted)
    after = {each.instance: each for each in new.routes}
    for name in sorted(before.keys() | after.keys()):
        yield from _of_instance(name, before.get(name), after.get(name), wanted.get(name))
    yield from _of_aliases(old, new, desired.places)
    yield from _of_presets(old.presets if old else {}, new.presets, desired.places)
    if old is not None:
        yield from _of_server(old, new, desired.places.get(SERVER, {}))
        yield from _of_loadable(old, new)


def _by_instance(
    old: Surface | None, wanted: Mapping[str, WantedInstance]
) -> dict[str, ServedRoute]:
    """Return the routes there were, those of a renamed instance under its new name."""
    found = {each.instance: each for each in old.routes} if old else {}
    for each in wanted.values():
        if each.renamed_from in found and each.name not in found:
            found[each.name] = found.pop(each.renamed_from)
    return found


def _of_instance(
    name: str, old: ServedRoute | None, new: ServedRoute | None, want: WantedInstance | None
) -> Iterator[FieldChange]:
    subject, places = f"instance/{name}", want.places if want else {}
    was, now = old.name if old else "", new.name if new else ""
    if was != now:
        place = places.get("identifier", places.get("model", "")) if now else ""
        yield FieldChange("identifier", was, now, ChangeClass.HOT, place, subject)
    if old is None or new is None:
        return
    yield from _settings_changes(old.operation, new.operation, places, subject)
    before, after = ({e.key: str(e) for e in each.custom_fields} for each in (old, new))
    for field in sorted(before.keys() | after.keys()):
        texts = before.get(field, ""), after.get(field, "")
        if texts[0] != texts[1]:
            path = f"customFields.{field}"
            yield FieldChange(path, *texts, ChangeClass.HOT, places.get(path, ""), subject)


def _settings_changes(
    old: Mapping[str, Any], new: Mapping[str, Any], places: Mapping[str, str], subject: str
) -> Iterator[FieldChange]:
    for key in sorted(old.keys() | new.keys()):
        was, now = (shown(each[key]) if key in each else "" for each in (old, new))
        if old.get(key, ...) != new.get(key, ...):
            path = path_of(key, Section.OPERATION)
            place = places.get(path, "")
            yield FieldChange(path, was, now, ChangeClass.HOT, place, subject)


def _of_aliases(
    old: Surface | None, new: Surface, places: Mapping[str, Mapping[str, str]]
) -> Iterator[FieldChange]:
    before = {each.name: each for each in old.aliases} if old else {}
    after = {each.name: each for each in new.aliases}
    for name in sorted(before.keys() | after.keys()):
        subject = f"route/{name}"
        was, now = _alias_fields(before.get(name)), _alias_fields(after.get(name))
        for path in ("names", "targets", "fallback", "preset"):
            if was.get(path, "") != now.get(path, ""):
                found = places.get(subject, {})
                place = found.get(path, found.get("", ""))
                yield FieldChange(
                    path, was.get(path, ""), now.get(path, ""), ChangeClass.HOT, place, subject
                )


def _alias_fields(alias: ServedAlias | None) -> dict[str, str]:
    if alias is None:
        return {}
    return {
        "names": ", ".join(alias.names),
        "targets": ", ".join(map(str, alias.targets)),
        "fallback": ", ".join(alias.fallback),
        "preset": alias.preset,
    }


def _of_presets(
    before: Mapping[str, Mapping[str, Any]],
    after: Mapping[str, Mapping[str, Any]],
    places: Mapping[str, Mapping[str, str]],
) -> Iterator[FieldChange]:
    """Yield which presets came and went, and what is another setting in those that stayed."""
    for name in sorted(before.keys() | after.keys()):
        subject = f"preset/{name}"
        if name in before and name in after:
            found = places.get(subject, {})
            yield from _settings_changes(before[name], after[name], found, subject)
        else:
            was, now = (name if name in each else "" for each in (before, after))
            place = places.get(subject, {}).get("", "")
            yield FieldChange("identifier", was, now, ChangeClass.HOT, place, subject)


def _of_server(old: Surface, new: Surface, places: Mapping[str, str]) -> Iterator[FieldChange]:
    before, after = _settings(old), _settings(new)
    for path, value in after.items():
        if before[path] != value:
            was, now = worded("Server", path, before[path]), worded("Server", path, value)
            yield FieldChange(path, was, now, ChangeClass.HOT, places.get(path, ""), SERVER)


def _of_loadable(old: Surface, new: Surface) -> Iterator[FieldChange]:
    """Yield what requests may load, where that is another list of names."""
    was, now = (
        shown(", ".join(each.name for each in surface.loadable)) or "(none)"
        for surface in (old, new)
    )
    if old.loadable != new.loadable:
        yield FieldChange("loaded by requests", was, now, ChangeClass.HOT, "", SERVER)


def _settings(surface: Surface) -> dict[str, object]:
    """Return the settings that are not routes, by their path in server.yaml."""
    limits = msgspec.structs.asdict(surface.limits)
    return {
        "auth.required": surface.access.required,
        "auth.tokens": [str(each) for each in surface.access.tokens],
        "jit.deadline": surface.load_deadline,
        **{f"cors.{key}": value for key, value in msgspec.structs.asdict(surface.cors).items()},
        "limits.bodySize": limits["body_size"],
        "limits.bodyTimeout": limits["body_timeout"],
        "limits.concurrency": limits["concurrency"],
        "limits.queue": limits["queue"],
        "limits.queueDeadline": limits["queue_deadline"],
        "limits.requestDeadline": limits["request_deadline"],
        "mcp.allowFile": surface.tools.file,
        "mcp.allowPerRequest": surface.tools.per_request,
        "mcp.privateNetworks": list(surface.tools.private_networks),
        "mcp.rounds": surface.tools.rounds,
        "mcp.callTimeout": surface.tools.call_timeout,
        "mcp.maxOutput": surface.tools.max_output,
        "conversations.keep": surface.retention.keep,
        "conversations.most": surface.retention.most,
        "compat.unknownEndpointStatus": surface.compat.unknown_endpoint_status,
        "compat.separateReasoning": surface.compat.separate_reasoning,
        **{f"logging.{key}": value for key, value in msgspec.structs.asdict(surface.logs).items()},
    }
