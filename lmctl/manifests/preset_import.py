"""A preset somebody has, of today or of LM Studio 0.2, as the manifest it becomes in a fleet."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lmctl.base.errors import Refused
from lmctl.manifests import bundle
from lmctl.manifests.edit_settings import written
from lmctl.manifests.preset import Preset
from lmctl.manifests.settings_keys import by_key


@dataclass(frozen=True, slots=True)
class ImportedPreset:
    """A preset by its `identifier`, the file that declares it, and what of the original that leaves
    out; `slug` is what to call the file.
    """

    identifier: str
    content: bytes
    left_out: tuple[str, ...]
    slug: str
    settings: tuple[str, ...]


def imported(name: str, content: bytes, *, identifier: str | None = None) -> ImportedPreset:
    """Return the manifest a file becomes. Called `identifier`, else what it calls itself, else after
    its own name, or that of the file.

    Raises Refused when it is no preset, or has nothing a preset can have.
    """
    file = f"{name}.preset.json"
    found = bundle.read({file: content})
    fatal = [f"{each.place}: {each.message}" for each in found.diagnostics if each.fatal]
    if fatal or len(found.bundle.presets) != 1:
        raise Refused(f"`{name}` is no preset", hint="; ".join(fatal) or None)
    (preset,) = found.bundle.presets.values()
    settings = preset.settings
    left_out = tuple(each.message for each in found.diagnostics)
    if not settings:
        raise Refused(f"`{name}` says nothing that counts", hint="; ".join(left_out) or None)
    slug = _slug(preset.display_name or name)
    own = (
        preset.identifier
        if found.bundle.origins["Preset", preset.name].given(("identifier",))
        else None
    )
    known = identifier or own or f"@local:{slug}"
    return ImportedPreset(
        identifier=known,
        content=_text(known, preset, settings),
        left_out=left_out,
        slug=_slug(identifier) if identifier else slug,
        settings=tuple(settings),
    )


def _text(identifier: str, preset: Preset, settings: dict[str, Any]) -> bytes:
    """Return a file as LM Studio writes them today, one line for each setting."""
    fields = ",\n".join(
        f"      {json.dumps(each, ensure_ascii=False)}" for each in _fields(settings)
    )
    head = {"identifier": identifier} | (
        {"name": preset.display_name} if preset.display_name else {}
    )
    lines = [
        f"  {json.dumps(key)}: {json.dumps(text, ensure_ascii=False)},"
        for key, text in head.items()
    ]
    body = f'  "operation": {{\n    "fields": [\n{fields}\n    ]\n  }}'
    return "\n".join(("{", *lines, body, "}", "")).encode()


def _fields(settings: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key, value in settings.items():
        setting = by_key(key)
        yield {"key": key, "value": written(setting, value) if setting else value}


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60] or "preset"
