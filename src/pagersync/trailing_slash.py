"""A slash at the end of a path means nothing: `/v1/pages/` is `/v1/pages`.

The framework would redirect, to an address that begins with whatever `Host` the caller sent: who
follows that from behind a proxy sends an API key in clear, or somewhere else.
"""

from starlette.types import ASGIApp, Receive, Scope, Send


class TrailingSlash:
    """ASGI middleware in front of routing: takes the slashes off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http" and scope["path"].endswith("/"):
            scope["path"] = scope["path"].rstrip("/") or "/"
        await self._app(scope, receive, send)
