"""The service, or any ASGI application, in this process, over real HTTP on a free port."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from pagersync.app import create_service
from pagersync.serve import listen
from pagersync.settings import Settings


@asynccontextmanager
async def running_server(settings: Settings, *, with_workers: bool = True) -> AsyncIterator[str]:
    """Yield the address of a running service; it has stopped when the block ends."""
    async with serving(create_service(settings, with_workers=with_workers)) as url:
        yield url


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """Yield the address of an ASGI application that is being served."""
    listening = listen("127.0.0.1", 0)
    # asyncio sets this only where the protocol is named; without it each answer takes 40 ms.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="auto", timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - `serve` would take over the signals
    while not server.started:
        assert not task.done(), task.exception()
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
        listening.close()
