"""The service, or any ASGI application, in this process, over real HTTP on a free port."""

import asyncio
import socket
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from pydantic import SecretStr

from pagersync.app import create_service
from pagersync.front.limits import Limits
from pagersync.front.server import FrontConfig
from pagersync.request_id import RequestId
from pagersync.serve import listen
from pagersync.settings import Settings

LOOK_EVERY_S = 0.003
REQUESTS_FINISH_S = 2
OPEN_FILES = 20_000
SERVICES_MAX = 8

_services: OrderedDict[tuple[object, ...], RequestId] = OrderedDict()
"""Services that can be started again: what a route needs is built once, and takes 0.1 s."""


class Server(uvicorn.Server):
    """Starts and ends as `serve` does, without its pauses of a tenth of a second."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told_to_end = asyncio.Event()

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.told_to_end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in self.servers:
            listener.close()
        for opened in sockets or ():
            opened.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(REQUESTS_FINISH_S):
                while self.server_state.connections or self.server_state.tasks:
                    await asyncio.sleep(LOOK_EVERY_S)
        except TimeoutError:
            for task in self.server_state.tasks:
                task.cancel()
        await self.lifespan.shutdown()


@asynccontextmanager
async def running_server(settings: Settings, *, with_workers: bool = True) -> AsyncIterator[str]:
    """Yield the address of a running service; it has stopped when the block ends."""
    async with serving(_service(settings, with_workers=with_workers)) as url:
        yield url


def _service(settings: Settings, *, with_workers: bool) -> RequestId:
    """Return the service with these settings; nothing that it keeps outlives its lifespan."""
    values = (v.get_secret_value() if isinstance(v, SecretStr) else repr(v) for _, v in settings)
    key = (with_workers, *values)
    service = _services.pop(key, None) or create_service(settings, with_workers=with_workers)
    _services[key] = service
    if len(_services) > SERVICES_MAX:
        _services.popitem(last=False)
    return service


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Yield the address of an ASGI application that is being served."""
    listening = listen("127.0.0.1", 0)
    # asyncio sets this only where the protocol is named; without it each answer takes 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    limits = Limits.of(Settings(), open_files_max=OPEN_FILES)
    server = Server(
        FrontConfig(app, limits=limits, log_config=None, access_log=False, lifespan="auto")
    )
    port = listening.getsockname()[1]
    task = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - `serve` would take over the signals
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(LOOK_EVERY_S)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.told_to_end.set()
        await task
