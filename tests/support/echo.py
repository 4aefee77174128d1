"""A small ASGI application that answers as its path says, and keeps what it was sent."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Echo:
    """`/status/503`, `/busy/2` (429 twice, then 200), `/large`, `/slow`, `/redirect`, or an echo.

    `/stalls` begins a large answer, and ends it when `released`.

    Attributes:
        requests: what came: method, path, query, headers, body.
    """

    requests: list[dict[str, Any]] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        request = {
            "method": scope["method"],
            "path": scope["path"],
            "query": scope["query_string"].decode(),
            "headers": {name.decode(): value.decode() for name, value in scope["headers"]},
            "body": body.decode(),
        }
        self.requests.append(request)
        await self._answer(request, send)

    async def _answer(self, request: dict[str, Any], send: Any) -> None:
        _, kind, *rest = request["path"].split("/")
        status, headers, content = 200, [], json.dumps(request).encode()
        if kind == "status":
            status = int(rest[0])
        elif kind == "busy":
            status = 429 if len(self.requests) <= int(rest[0]) else 200
            headers = [(b"retry-after", rest[1].encode())] if rest[1:] else []
        elif kind == "redirect":
            status, headers = 302, [(b"location", b"/elsewhere")]
        elif kind in ("large", "stalls"):
            content = b"x" * 1_000_000
        await send({"type": "http.response.start", "status": status, "headers": headers})
        if kind == "slow":
            for _ in range(12):
                await send({"type": "http.response.body", "body": b".", "more_body": True})
                await asyncio.sleep(0.05)
        if kind == "stalls":
            await send({"type": "http.response.body", "body": content, "more_body": True})
            await self.released.wait()
        await send({"type": "http.response.body", "body": content})
