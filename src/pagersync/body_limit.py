"""The limit on request bodies of the API, in the API's error shape.

Starlette has such a limit too, but answers in plain text.
"""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: reading more than `bytes_max` of a request body ends in a 413."""

    def __init__(self, app: ASGIApp, *, bytes_max: int) -> None:
        self._app = app
        self._bytes_max = bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        received = 0

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._bytes_max:
                raise HTTPException(413, f"a body may have at most {self._bytes_max} bytes")
            return message

        await self._app(scope, limited if scope["type"] == "http" else receive, send)
