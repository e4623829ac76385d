"""Rules across objects: what no object can know of itself."""

from collections.abc import Iterator, Mapping, Set

from lmctl.base import diagnostics
from lmctl.base.addresses import is_loopback
from lmctl.base.diagnostics import Diagnostic
from lmctl.manifests.chain import follow
from lmctl.manifests.check_custom_fields import check_custom_fields
from lmctl.manifests.check_names import Origins, check_names
from lmctl.manifests.check_secrets import check_secrets
from lmctl.manifests.mcp import McpServer
from lmctl.manifests.model import Model
from lmctl.manifests.not_yet import without_effect
from lmctl.manifests.preset import Preset
from lmctl.manifests.problems import shown_path
from lmctl.manifests.reading import Declared
from lmctl.manifests.server import Server


def check(
    origins: Origins, models: Mapping[str, Model], *, refused: Set[tuple[str, str]] = frozenset()
) -> Iterator[Diagnostic]:
    """Yield what is wrong between objects, and what is read without effect.

    `refused` are kind and name of what is declared wrongly: that something else leads to it is
    no second mistake.
    """
    yield from _one_server(origins)
    yield from check_names(origins, refused)
    yield from check_secrets(origins)
    for each in origins.values():
        match each.value:
            case Model():
                yield from _chain(each, each.value, models, refused)
            case Server():
                yield from _unprotected(each, each.value)
            case Preset():
                yield from _preset(each, each.value)
            case McpServer() if not (each.value.command or each.value.url):
                message = f"tool server `{each.name}` has neither `command` nor `url`"
                yield diagnostics.warning(each.place(), message, "give one of the two")
        yield from check_custom_fields(each, models, refused)
        yield from without_effect(each)


def _one_server(origins: Origins) -> Iterator[Diagnostic]:
    servers = [each for (kind, _), each in origins.items() if kind == "Server"]
    for each in servers[1:]:
        message = f"a second Server; the first is at {servers[0].place()}"
        yield diagnostics.error(each.place(), message, "keep one Server in the whole directory")


def _chain(
    each: Declared, model: Model, models: Mapping[str, Model], refused: Set[tuple[str, str]]
) -> Iterator[Diagnostic]:
    if not isinstance(model.base, str):
        return
    walk = follow(model, models)
    if walk.cyclic:
        names = [each.name for each in walk.passed]
        around = " -> ".join((*names, str(walk.passed[-1].base)))
        hint = "let one of them name weights: a list under `base`"
        yield diagnostics.error(each.place(("base",)), f"`base` runs in a circle: {around}", hint)
    elif model.base not in models and ("Model", model.base) not in refused:
        yield diagnostics.warning(
            each.place(("base",)),
            f"no manifest declares the model `{model.base}`",
            "it works only if that model is already on this machine",
        )


def _unprotected(each: Declared, server: Server) -> Iterator[Diagnostic]:
    auth, host = server.spec.auth, server.spec.listen.host
    if auth.required and not auth.tokens:
        yield diagnostics.warning(
            each.place(("spec", "auth", "required")),
            "every call needs a token, and there is none: nobody can call",
            "`lmctl token create NAME` makes one",
        )
    if not auth.required and not is_loopback(host):
        yield diagnostics.warning(
            each.place(("spec", "listen", "host")),
            f"whoever reaches `{host}` may use what is served, without a token",
            "set `auth.required: true`, or listen on 127.0.0.1",
        )


def _preset(each: Declared, preset: Preset) -> Iterator[Diagnostic]:
    for path, why in preset.troubles():
        loads = path[0] in ("load", "load_params")
        hint = "set it in `load` of an Instance" if loads else "the setting will be ignored"
        yield diagnostics.warning(each.place(path), f"`{shown_path(path)}`: {why}", hint)
