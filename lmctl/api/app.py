"""The gateway's app: every endpoint, and what all requests pass through."""

import falcon
import falcon.asgi

from lmctl.api import control, errors
from lmctl.api.auth import Guard
from lmctl.api.closing import closing
from lmctl.api.control import Control
from lmctl.api.cors import CorsMiddleware
from lmctl.api.crowd import Crowd
from lmctl.api.endpoints import ENDPOINTS
from lmctl.api.entering import Entrance
from lmctl.api.leaving import AsgiApp
from lmctl.api.operations import Parts
from lmctl.base.errors import LmctlError
from lmctl.serving.gateway import Gateway
from lmctl.serving.stored import Conversations


def create_app(gateway: Gateway, conversations: Conversations, *, silence: float = 10.0) -> AsgiApp:
    """Return the ASGI app; event streams are pinged after `silence` seconds without a byte."""
    scopes = {each.path: each.scope for each in ENDPOINTS}
    parts = Parts(gateway, conversations)
    app = falcon.asgi.App()
    app.add_middleware(Entrance(gateway))
    app.add_middleware(CorsMiddleware(gateway))
    app.add_middleware(Guard(gateway, scopes))
    app.add_middleware(Crowd(gateway, scopes))
    app.req_options.strip_url_path_trailing_slash = True
    for each in ENDPOINTS:
        app.add_route(each.path, each.make(parts))
    app.add_sink(Control(gateway).forward, prefix=control.PREFIX + "/")
    app.add_error_handler(LmctlError, errors.on_lmctl_error)
    app.add_error_handler(falcon.HTTPError, errors.on_http_error)
    app.add_error_handler(Exception, errors.on_surprise)
    return closing(app, silence=silence)
