"""Prompt templates of manifests that are no Jinja: told before a request trips over one."""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic
from lmctl.base.errors import BadRequest
from lmctl.chat.own_template import own_template
from lmctl.manifests.bundle import Bundle
from lmctl.manifests.instance import Instance
from lmctl.manifests.model import Model
from lmctl.manifests.preset import Preset, RawField
from lmctl.manifests.problems import shown_path
from lmctl.manifests.reading import Value
from lmctl.manifests.settings_fields import SettingField
from lmctl.manifests.yaml_build import Path

_KEYS: Final = frozenset({"llm.load.promptTemplate", "llm.prediction.promptTemplate"})


def broken_templates(bundle: Bundle) -> Iterator[Diagnostic]:
    """Yield a warning for each template that cannot be read, with its line in the template."""
    for declared in bundle.origins.values():
        for path, value in _templates(declared.value):
            template, _ = own_template(value)
            if template and (fault := _fault(template)):
                message = f"`{shown_path(path[declared.hidden :])}`: {fault}"
                hint = "conversations are refused until it can be read"
                yield diagnostics.warning(declared.place(path), message, hint)


def _templates(value: Value) -> Iterator[tuple[Path, Any]]:
    """Yield where an object has a template setting, and its value."""
    match value:
        case Instance():
            for section, given in (("load", value.spec.load), ("operation", value.spec.operation)):
                for key in given.keys() & _KEYS:
                    yield ("spec", section, "promptTemplate"), given[key]
        case Model():
            yield from _of_fields(("config", "load", "fields"), value.config.load.fields_)
            yield from _of_fields(("config", "operation", "fields"), value.config.operation.fields_)
        case Preset():
            for path, each in _of_fields(("operation", "fields"), value.operation.fields_):
                if _KEYS & value.settings.keys():  # what is passed over is told already
                    yield path, each


def _of_fields(
    above: Path, fields: Sequence[RawField | SettingField]
) -> Iterator[tuple[Path, Any]]:
    for index, field in enumerate(fields):
        if field.key in _KEYS:
            yield (*above, index), field.value


def _fault(template: str) -> str:
    # Jinja is only for who declares a template: no other command waits for it to be imported.
    from lmctl.chat.template import compiled

    try:
        compiled(template)
    except BadRequest as error:
        return str(error)
    return ""
