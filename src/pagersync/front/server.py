"""A process that serves through the front, and how it ends without cutting anybody off."""

import asyncio
import socket
from collections.abc import Callable
from select import POLLIN, poll
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from pagersync.front.accepting import Door
from pagersync.front.limits import Limits
from pagersync.front.protocol import FrontProtocol
from pagersync.front.register import Front

ACCEPTED_WITHIN_S: Final = 1.0
"""Longest time to accept who was connected already."""

LOOK_AGAIN_S: Final = 0.05
LAST_REQUESTS_S: Final = 0.5
"""How long clients that are connected may begin a last request."""


class FrontConfig(uvicorn.Config):
    """Configures uvicorn to serve through the front.

    Attributes:
        front: made in the process that serves.
    """

    def __init__(
        self, app: str | ASGIApp | Callable[[], ASGIApp], *, limits: Limits, **options: Any
    ) -> None:
        super().__init__(app, http=FrontProtocol, ws="none", **options)
        self._limits = limits

    def load(self) -> None:
        """Load the application, in the process that will run it."""
        super().load()
        self.front = Front(self._limits)


class FrontServer(uvicorn.Server):
    """Accepts sources by turns, and ends in order.

    Nobody new, an answer for everybody who has asked, then the end.
    """

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, with doors of our own instead of uvloop's servers."""
        config = self.config
        assert isinstance(config, FrontConfig)  # noqa: S101 - this server is for it alone
        await super().startup([])
        front = config.front
        self._doors = [
            Door(each, self._protocol, front.refusals, front.limits.waiting_max)
            for each in sockets or []
        ]
        for door in self._doors:
            door.open(config.backlog)

    def _protocol(self) -> FrontProtocol:
        config = self.config
        assert isinstance(config, FrontConfig)  # noqa: S101 - this server is for it alone
        return FrontProtocol(config, self.server_state, self.lifespan.state)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve who has connected, let requests under way be the last, and end."""
        assert isinstance(self.config, FrontConfig)  # noqa: S101 - this server is for it alone
        front = self.config.front
        front.is_ending = True
        for connection in list(self.server_state.connections):
            if connection not in front.waiting:
                connection.shutdown()
        await self._accept_the_last(sockets or [])
        for door in self._doors:
            door.close()
        deadline = front.clock() + LAST_REQUESTS_S
        while front.waiting and front.clock() < deadline:  # noqa: ASYNC110 - an end is rare
            await asyncio.sleep(LOOK_AGAIN_S)
        await super().shutdown(sockets)

    async def _accept_the_last(self, sockets: list[socket.socket]) -> None:
        """Wait until nobody who was connected is left to be accepted."""
        look = poll()
        for each in sockets:
            look.register(each, POLLIN)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ACCEPTED_WITHIN_S
        await asyncio.sleep(LOOK_AGAIN_S)
        while loop.time() < deadline:
            await asyncio.sleep(LOOK_AGAIN_S)
            if not look.poll(0) and not any(door.has_waiting for door in self._doors):
                return
