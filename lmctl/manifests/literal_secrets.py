"""Refuses secrets that stand in a manifest: by their form anywhere, by their field's name where it tells."""

from collections.abc import Iterator
from typing import Any, Final

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests.secret_words import literal, names_a_secret, recognised
from lmctl.manifests.yaml_build import Path
from lmctl.manifests.yaml_source import Document

# Below these every name is the user's, and a value is handed to a program.
_CARRIERS: Final = frozenset({"environment", "envVars"})
_HINT: Final = "keep it outside and refer to it: `secretRef: {env: NAME}` in a Server, `${secret:NAME}` elsewhere"


def literal_secrets(document: Document, *, named: bool) -> Iterator[Diagnostic]:
    """Yield an error per secret in a document, never with the secret itself in it.

    With `named`, a field whose name says that it holds a secret (`apiKey`) may hold only a
    reference; without, only under mappings whose names are the user's own.
    """
    waiting: list[tuple[Path, Any, bool]] = [((), document.value, named)]
    while waiting:
        path, value, telling = waiting.pop()
        if isinstance(value, dict):
            for key, each in value.items():
                waiting.append(((*path, key), each, telling or key in _CARRIERS))
        elif isinstance(value, list):
            if telling:
                yield from _arguments(document, path, value)
            waiting += [((*path, index), each, telling) for index, each in enumerate(value)]
        elif what := _found(path, value, telling):
            yield _error(document, path, what)


def _found(path: Path, value: Any, telling: bool) -> str | None:  # noqa: FBT001
    """Return what secret a value is, if it is one."""
    if value is None or isinstance(value, bool):
        return None
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    # A systemd credential is named in a manifest, and its name is no secret.
    if telling and name != "credential" and names_a_secret(name):
        return f"a secret under `{name}`" if literal(str(value)) else None
    return recognised(value) if isinstance(value, str) else None


def _arguments(document: Document, path: Path, values: list[Any]) -> Iterator[Diagnostic]:
    """Yield secrets among a program's arguments: `--api-key SECRET`, `--token=SECRET`, `NAME=SECRET`."""
    before = ""
    for index, each in enumerate(values):
        text = each if isinstance(each, str) else ""
        name, equals, value = text.partition("=")
        if before and not text.startswith("-") and literal(text):
            yield _error(document, (*path, index), f"a secret behind `{before}`")
        elif equals and names_a_secret(name.lstrip("-")) and literal(value):
            yield _error(document, (*path, index), f"a secret behind `{name}=`")
        flag = text.startswith("-") and not equals and names_a_secret(text.lstrip("-"))
        before = text if flag else ""


def _error(document: Document, path: Path, what: str) -> Diagnostic:
    message = f"{what} stands in the manifest"
    return diagnostics.error(document.place(path), message, _HINT)
