"""Every route of the gateway, in one table."""

from functools import partial

import falcon
import falcon.asgi

from lmctl.api import control, errors
from lmctl.api.anthropic_messages import CountTokens, Messages
from lmctl.api.auth import Guard
from lmctl.api.closing import closing
from lmctl.api.control import Control
from lmctl.api.cors import CorsMiddleware
from lmctl.api.crowd import Crowd
from lmctl.api.entering import Entrance
from lmctl.api.leaving import AsgiApp
from lmctl.api.metrics import Metrics
from lmctl.api.native_chat import NativeChat
from lmctl.api.native_listing import NativeModels
from lmctl.api.native_models import LoadModel, UnloadModel
from lmctl.api.openai_chat import ChatCompletions
from lmctl.api.openai_completions import Completions
from lmctl.api.openai_embeddings import Embeddings
from lmctl.api.openai_models import Model, Models
from lmctl.api.openapi import OpenApi
from lmctl.api.probes import Alive, Greeting, Ready
from lmctl.api.responses import CancelResponse, InputItems, Responses, StoredResponse
from lmctl.api.v0 import V0Model, V0Models, V0Writer
from lmctl.base.errors import LmctlError
from lmctl.serving.gateway import Gateway
from lmctl.serving.stored import Conversations


def routes_of(
    gateway: Gateway, conversations: Conversations
) -> dict[str, tuple[str | None, object]]:
    """Return every path with the scope a token must have for it (None: it is open) and what answers."""
    v0 = partial(V0Writer, gateway)
    return {
        "/v1/chat/completions": ("inference", ChatCompletions(gateway)),
        "/v1/completions": ("inference", Completions(gateway)),
        "/v1/embeddings": ("inference", Embeddings(gateway)),
        "/v1/messages": ("inference", Messages(gateway)),
        "/v1/messages/count_tokens": ("inference", CountTokens(gateway)),
        "/v1/responses": ("inference", Responses(gateway, conversations)),
        "/v1/responses/{response_id}": ("inference", StoredResponse(conversations)),
        "/v1/responses/{response_id}/input_items": ("inference", InputItems(conversations)),
        "/v1/responses/{response_id}/cancel": ("inference", CancelResponse(gateway, conversations)),
        "/v1/models": ("models:read", Models(gateway)),
        "/v1/models/{model:path}": ("models:read", Model(gateway)),
        "/api/v1/chat": ("inference", NativeChat(gateway, conversations)),
        "/api/v1/models": ("models:read", NativeModels(gateway)),
        "/api/v1/models/load": ("models:write", LoadModel(gateway)),
        "/api/v1/models/unload": ("models:write", UnloadModel(gateway)),
        "/api/v0/models": ("models:read", V0Models(gateway)),
        "/api/v0/models/{model:path}": ("models:read", V0Model(gateway)),
        "/api/v0/chat/completions": ("inference", ChatCompletions(gateway, dress=v0)),
        "/api/v0/completions": ("inference", Completions(gateway, dress=v0)),
        "/openapi.json": (None, OpenApi()),
        "/api/v0/embeddings": ("inference", Embeddings(gateway)),
        "/lmstudio-greeting": (None, Greeting()),
        "/livez": (None, Alive()),
        "/readyz": (None, Ready(gateway)),
        "/metrics": (None, Metrics(gateway)),
    }


def create_app(gateway: Gateway, conversations: Conversations, *, silence: float = 10.0) -> AsgiApp:
    """Return the ASGI app; event streams are pinged after `silence` seconds without a byte."""
    routes = routes_of(gateway, conversations)
    scopes = {path: scope for path, (scope, _) in routes.items()}
    app = falcon.asgi.App()
    app.add_middleware(Entrance(gateway))
    app.add_middleware(CorsMiddleware(gateway))
    app.add_middleware(Guard(gateway, scopes))
    app.add_middleware(Crowd(gateway, scopes))
    app.req_options.strip_url_path_trailing_slash = True
    for path, (_, resource) in routes.items():
        app.add_route(path, resource)
    app.add_sink(Control(gateway).forward, prefix=control.PREFIX + "/")
    app.add_error_handler(LmctlError, errors.on_lmctl_error)
    app.add_error_handler(falcon.HTTPError, errors.on_http_error)
    app.add_error_handler(Exception, errors.on_surprise)
    return closing(app, silence=silence)
