"""Which port a request came to: the public one, or the one for those who operate the service.

With `PAGERSYNC_OPS_PORT`, strangers at the public port see that the service runs, and nothing of
how it is doing. Every path is served at the ops port, so that `/docs` can be tried there.
"""

from typing import Final

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from pagersync.error_handlers import NO_SUCH_PATH, error_response
from pagersync.errors import NotFoundError

KEY: Final = "pagersync.port"
PUBLIC: Final = "public"
OPS: Final = "ops"

HIDDEN: Final = ("/metrics", "/docs", "/redoc", "/openapi.json")
"""Paths, with all that is below them, that the public port has not if there is an ops port."""


class OpsPort:
    """ASGI middleware: notes on each request to which of two ports it came, and hides the paths.

    Args:
        app: what is served.
        ops_port: the other port.
    """

    def __init__(self, app: ASGIApp, *, ops_port: int) -> None:
        self._app = app
        self._ops_port = ops_port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            port = (scope.get("server") or (None, None))[1]
            scope[KEY] = OPS if port == self._ops_port else PUBLIC
            if scope[KEY] == PUBLIC and is_hidden(scope["path"], scope.get("root_path", "")):
                await error_response(NotFoundError(NO_SUCH_PATH))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_hidden(path: str, root: str = "") -> bool:
    """Tell whether the public port hides a path. Pure."""
    below = path.removeprefix(root)
    return any(below == each or below.startswith(f"{each}/") for each in HIDDEN)


def is_public(request: Request) -> bool:
    """Tell whether a request came to the public port of two."""
    return request.scope.get(KEY) == PUBLIC


def is_ops(request: Request) -> bool:
    """Tell whether a request came to the port for those who operate the service."""
    return request.scope.get(KEY) == OPS
