"""Every route of the gateway, in one table."""

from functools import partial

import falcon
import falcon.asgi

from lmctl.api import control, errors
from lmctl.api.anthropic_messages import CountTokens, Messages
from lmctl.api.closing import closing
from lmctl.api.control import Control
from lmctl.api.cors import CorsMiddleware
from lmctl.api.leaving import AsgiApp
from lmctl.api.metrics import Metrics
from lmctl.api.native_listing import NativeModels
from lmctl.api.native_models import LoadModel, UnloadModel
from lmctl.api.openai_chat import ChatCompletions
from lmctl.api.openai_completions import Completions
from lmctl.api.openai_models import Model, Models
from lmctl.api.probes import Alive, Greeting, Ready
from lmctl.api.v0 import V0Model, V0Models, V0Writer
from lmctl.base.errors import LmctlError
from lmctl.serving.gateway import Gateway


def create_app(gateway: Gateway, *, silence: float = 10.0) -> AsgiApp:
    """Return the ASGI app; event streams are pinged after `silence` seconds without a byte."""
    app = falcon.asgi.App(middleware=[CorsMiddleware(gateway)])
    app.req_options.strip_url_path_trailing_slash = True
    routes = {
        "/v1/chat/completions": ChatCompletions(gateway),
        "/v1/completions": Completions(gateway),
        "/v1/messages": Messages(gateway),
        "/v1/messages/count_tokens": CountTokens(gateway),
        "/v1/models": Models(gateway),
        "/v1/models/{model:path}": Model(gateway),
        "/api/v1/models": NativeModels(gateway),
        "/api/v1/models/load": LoadModel(gateway),
        "/api/v1/models/unload": UnloadModel(gateway),
        "/api/v0/models": V0Models(gateway),
        "/api/v0/models/{model:path}": V0Model(gateway),
        "/api/v0/chat/completions": ChatCompletions(gateway, dress=partial(V0Writer, gateway)),
        "/api/v0/completions": Completions(gateway, dress=partial(V0Writer, gateway)),
        "/lmstudio-greeting": Greeting(),
        "/livez": Alive(),
        "/readyz": Ready(gateway),
        "/metrics": Metrics(gateway),
    }
    for path, resource in routes.items():
        app.add_route(path, resource)
    app.add_sink(Control(gateway).forward, prefix=control.PREFIX + "/")
    app.add_error_handler(LmctlError, errors.on_lmctl_error)
    app.add_error_handler(falcon.HTTPError, errors.on_http_error)
    app.add_error_handler(Exception, errors.on_surprise)
    return closing(app, silence=silence)
