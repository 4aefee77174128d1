"""An integrator's end: keeps what it is sent, and answers as it is told."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["event"])

    @property
    def type(self) -> str:
        return str(self.event["type"])

    @property
    def data(self) -> dict[str, Any]:
        return dict(json.loads(self.body)["data"])


@dataclass
class Receiver:
    """An ASGI application.

    Attributes:
        requests: what came, in its order.
        answers: statuses, or status and headers, to answer with first, by path; then 200.
        held: paths that are not answered before `released` is set.
    """

    requests: list[Received] = field(default_factory=list)
    answers: defaultdict[str, list[int | tuple[int, dict[str, str]]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    held: set[str] = field(default_factory=set)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":  # whoever called was killed before the end
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.requests.append(Received(scope["path"], headers, body))
        if scope["path"] in self.held:
            await self.released.wait()
        planned = self.answers[scope["path"]]
        answer = planned.pop(0) if planned else 200
        status, given = answer if isinstance(answer, tuple) else (answer, {})
        pairs = [(name.encode(), value.encode()) for name, value in given.items()]
        await send({"type": "http.response.start", "status": status, "headers": pairs})
        await send({"type": "http.response.body", "body": b"an answer that nobody reads"})

    def to(self, path: str) -> list[Received]:
        return [request for request in self.requests if request.path == path]
