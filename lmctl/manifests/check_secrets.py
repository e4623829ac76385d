"""Rules about secrets across files: `${secret:NAME}` leads to one the Server declares."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from lmctl.base import diagnostics
from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests import suggest
from lmctl.manifests.mcp import McpServer
from lmctl.manifests.reading import Declared
from lmctl.manifests.runtime import Runtime
from lmctl.manifests.server import Server
from lmctl.manifests.yaml_build import Path

_REFERENCE: Final = re.compile(r"\$\{secret:([^}]*)\}")


def check_secrets(origins: Mapping[tuple[str, str], Declared]) -> Iterator[Diagnostic]:
    """Yield an error per reference to a secret nobody declares."""
    declared = [
        name
        for each in origins.values()
        if isinstance(each.value, Server)
        for name in each.value.spec.secrets
    ]
    for each in origins.values():
        for path, name in _references(each):
            if name not in declared:
                hint = suggest.did_you_mean(name, declared) or (
                    f"declare it in the Server: `secrets: {{{name or 'NAME'}: {{env: VARIABLE}}}}`"
                )
                yield diagnostics.error(each.place(path), f"no secret `{name}` is declared", hint)


def _references(each: Declared) -> Iterator[tuple[Path, str]]:
    match each.value:
        case McpServer(args=args, env=env, url=url, headers=headers, auth=auth):
            secret = {"CLIENT_SECRET": auth.client_secret} if auth is not None else {}
            texts: Any = {"args": args, "env": env, "url": url, "headers": headers, "auth": secret}
        case Runtime():
            texts = {"spec": {"environment": each.value.spec.environment}}
        case _:
            return
    yield from _in(texts, ())


def _in(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    match value:
        case str():
            yield from ((path, name) for name in _REFERENCE.findall(value))
        case Mapping():
            for key, each in value.items():
                yield from _in(each, (*path, key))
        case tuple():
            for index, each in enumerate(value):
                yield from _in(each, (*path, index))
