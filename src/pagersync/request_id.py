"""`Request-Id`: one name for a request: in its answer, its errors and all of its log lines."""

import re
from typing import Final

import structlog
import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{1,128}")
NAMES: Final = (b"request-id", b"x-request-id")


class RequestId:
    """ASGI middleware in front of everything: takes the caller's id or makes a UUIDv7.

    Whoever serves the request finds it as `request.state.request_id`; log lines have it because it
    is bound to the request's task, which the server makes anew for each request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or str(uuid_utils.uuid7())
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.bind_contextvars(request_id=request_id)
        header = (b"request-id", request_id.encode())

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], header]
            await send(message)

        await self._app(scope, receive, send_named)


def current_request_id() -> str | None:
    """Return the id of the request that is being served, if one is."""
    request_id: str | None = structlog.contextvars.get_contextvars().get("request_id")
    return request_id


def _given(scope: Scope) -> str | None:
    for name in NAMES:
        for key, value in scope["headers"]:
            if key == name and ACCEPTED.fullmatch(value):
                return bytes(value).decode()
    return None
