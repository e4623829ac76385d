"""How a request has the control plane load what it names."""

from lmctl.api.control import call_daemon
from lmctl.base.errors import LmctlError, NotReady
from lmctl.planning.surface import Loadable
from lmctl.serving.on_demand import Load, Terms
from lmctl.serving.routes import UnknownModel
from lmctl.serving.snapshot import Snapshots


def through_daemon(snapshots: Snapshots) -> Load:
    """Return what asks the daemon of these snapshots, and raises what it says no with."""

    async def load(wanted: Loadable, terms: Terms) -> None:
        wish: dict[str, object] = {"model": wanted.model, "ttl": terms.ttl, "on_demand": True}
        if terms.context_length is not None:
            wish["load"] = {"contextLength": terms.context_length}
        if wanted.instance:
            wish["identifier"] = wanted.name
        socket = snapshots.now().surface.control_socket
        status, answer = await call_daemon(socket, "POST", "/instances", wish)
        if status >= 400:
            raise _error(wanted.name, status, answer.get("error") or {})

    return load


def _error(name: str, status: int, told: dict[str, str]) -> LmctlError:
    message = told.get("message") or f"the control plane answered {status}"
    if status == 404:
        return UnknownModel(message, hint=told.get("hint"))
    hint = told.get("hint") or f"`lmctl events --for instance` tells more of `{name}`"
    return NotReady(f"`{name}` cannot be loaded: {message}", retry_after=5.0, hint=hint)
