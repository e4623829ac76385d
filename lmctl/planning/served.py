"""What the gateway is told of a bundle: names, settings, who may ask."""

from collections.abc import Iterable

from lmctl.manifests.bundle import Bundle
from lmctl.manifests.route import Route
from lmctl.manifests.server import Auth, LimitRules, McpAccess
from lmctl.planning.desired import WantedInstance
from lmctl.planning.surface import (
    Access,
    AliasTarget,
    Compat,
    Cors,
    Limits,
    Loadable,
    Logs,
    Retention,
    ServedAlias,
    ServedRoute,
    ServedToken,
    Surface,
    ToolRules,
)


def surface_of(
    bundle: Bundle,
    instances: Iterable[WantedInstance],
    loadable: Iterable[Loadable],
    *,
    control: str,
    generation: int,
) -> Surface:
    """Return everything a gateway needs to serve these instances; `control` is the daemon's socket."""
    server = bundle.server.spec
    return Surface(
        generation=generation,
        routes=tuple(_route(each) for each in instances),
        aliases=tuple(map(_alias, bundle.routes.values())),
        loadable=tuple(loadable),
        presets={name: each.settings for name, each in bundle.presets.items()},
        load_deadline=server.jit.deadline,
        access=_access(server.auth),
        cors=Cors(enabled=server.cors.enabled, origins=tuple(server.cors.origins)),
        limits=_limits(server.limits),
        tools=_tools(server.mcp),
        retention=Retention(server.conversations.keep, server.conversations.most),
        compat=Compat(server.compat.unknown_endpoint_status, server.compat.separate_reasoning),
        logs=Logs(server.logging.requests, server.logging.prompts, server.logging.tokens),
        control_socket=control,
    )


def _tools(rules: McpAccess) -> ToolRules:
    return ToolRules(
        file=rules.allow_file,
        per_request=rules.allow_per_request,
        private_networks=rules.private_networks,
        rounds=rules.rounds,
        call_timeout=rules.call_timeout,
        max_output=rules.max_output,
    )


def _limits(rules: LimitRules) -> Limits:
    return Limits(
        body_size=rules.body_size,
        body_timeout=rules.body_timeout,
        concurrency=rules.concurrency,
        queue=rules.queue,
        queue_deadline=rules.queue_deadline,
        request_deadline=rules.request_deadline,
    )


def _access(auth: Auth) -> Access:
    tokens = (
        ServedToken(each.name, each.scopes, (each.hash or "").removeprefix("sha256:"))
        for each in auth.tokens
    )
    return Access(auth.required, tuple(tokens))


def _alias(route: Route) -> ServedAlias:
    targets = tuple(AliasTarget(each.instance, each.weight) for each in route.spec.targets)
    spec = route.spec
    return ServedAlias(route.name, route.names, targets, spec.fallback, spec.preset or "")


def _route(instance: WantedInstance) -> ServedRoute:
    return ServedRoute(
        name=instance.identifier,
        instance=instance.name,
        model=instance.model,
        socket=instance.socket,
        spec_digest=instance.spec_digest,
        operation=dict(instance.operation),
        on_demand=instance.owner == "jit",
        custom_fields=instance.custom_fields,
    )
