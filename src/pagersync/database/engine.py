"""The connection pools, and how hot paths borrow a raw connection from them."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from sqlalchemy import AsyncAdaptedQueuePool, ExceptionContext, event
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from pagersync.database.caller import CallerSession
from pagersync.database.capacity import share_out
from pagersync.database.liveness import watch_connections
from pagersync.database.shared_pool import SharedPool
from pagersync.database.trouble import STALE, cause_of, is_unreachable
from pagersync.settings import Settings

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Sessions: TypeAlias = async_sessionmaker[AsyncSession]

CONNECT_TIMEOUT_S = 3
COMMAND_TIMEOUT_S = 15
DISPOSE_TIMEOUT_S = 1
LOCK_WAIT_S = 3
"""How long a request waits for a lock that another transaction holds."""

IDLE_IN_TRANSACTION_S = 15


@dataclass(frozen=True, slots=True)
class Engines:
    """The database, by whose work it is for: none of them takes a connection of another.

    Attributes:
        paging: for what leads to a page, from the inbox to its confirmation.
        interactive: for requests of the API, and for health checks.
        background: for what can wait: webhook endpoints, directories, retention.
    """

    paging: AsyncEngine
    interactive: AsyncEngine
    background: AsyncEngine

    async def dispose(self) -> None:
        """Close all connections, and do not wait for a server that hangs."""
        every = (self.paging, self.interactive, self.background)
        await asyncio.gather(*(dispose(each) for each in every))


def create_engines(settings: Settings) -> Engines:
    """Return the engines of a process that stays; nothing is connected yet."""
    capacity = share_out(settings.database_connections_max)
    return Engines(
        paging=create_engine(settings, connections_max=capacity.paging),
        interactive=_create_interactive_engine(settings, capacity.interactive),
        background=create_engine(settings, connections_max=capacity.background),
    )


def _create_interactive_engine(settings: Settings, connections_max: int) -> AsyncEngine:
    """Return the engine for requests: nobody holds a connection, or a lock, for long."""
    return create_engine(
        settings,
        connections_max=connections_max,
        pool=SharedPool,
        server_settings={
            "statement_timeout": f"{settings.request_statement_s * 1000:.0f}",
            "lock_timeout": f"{LOCK_WAIT_S * 1000}",
            "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_S * 1000}",
        },
    )


def create_engine(
    settings: Settings,
    *,
    command_timeout_s: float | None = COMMAND_TIMEOUT_S,
    connections_max: int | None = None,
    pool: type[AsyncAdaptedQueuePool] = AsyncAdaptedQueuePool,
    server_settings: Mapping[str, str] = MappingProxyType({}),
) -> AsyncEngine:
    """Return an engine for `settings.database_url`; nothing is connected yet.

    Args:
        settings: with the database's address in it.
        command_timeout_s: longest wait for one statement; None where a migration may take long.
        connections_max: how many connections it opens at most; None: as many as a process may.
        pool: how they are shared out.
        server_settings: parameters of each connection.

    Raises:
        ValueError: no database URL was set or found.
    """
    if settings.database_url is None:
        raise ValueError("no database: set PAGERSYNC_DATABASE_URL")
    engine = create_async_engine(
        settings.database_url.get_secret_value(),
        poolclass=pool,
        pool_size=connections_max or settings.database_connections_max,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_use_lifo=True,  # the newest knows the statements already
        hide_parameters=True,  # they hold secrets, and errors are logged and kept
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": command_timeout_s,
            "server_settings": {"application_name": "pagersync", "jit": "off", **server_settings},
        },
    )
    watch_connections(engine)
    event.listen(engine.sync_engine, "handle_error", _throw_away)
    return engine


def _throw_away(context: ExceptionContext) -> None:
    """Give a connection to nobody any more whose server does not serve."""
    if isinstance(cause_of(context.original_exception), STALE):
        context.is_disconnect = True


def create_sessions(engine: AsyncEngine) -> Sessions:
    """Return the maker of sessions; `sessions.begin()` is the edge that commits."""
    return async_sessionmaker(engine, expire_on_commit=False, sync_session_class=CallerSession)


@asynccontextmanager
async def raw_connection(engine: AsyncEngine) -> AsyncIterator[Connection]:
    """Borrow a connection from the pool for fixed SQL, outside any session.

    Each statement commits by itself unless the caller opens `connection.transaction()`. When the
    connection breaks, the pool is told, so that nobody else gets it.
    """
    async with asyncio.timeout(CONNECT_TIMEOUT_S):  # a hung server answers no ping either
        borrowed = await engine.connect()
    try:
        pooled = await borrowed.get_raw_connection()
        connection = pooled.driver_connection
        assert connection is not None  # noqa: S101 - always set while it is borrowed
        try:
            yield connection
        except BaseException as error:
            interrupted = isinstance(error, asyncio.CancelledError)
            if interrupted or is_unreachable(error) or connection.is_closed():
                connection.terminate()  # saying goodbye to a server that hangs would hang too
                await borrowed.invalidate()
            raise
    finally:
        await borrowed.close()


async def dispose(engine: AsyncEngine) -> None:
    """Close the pool, and do not wait for a server that hangs."""
    with suppress(TimeoutError):
        async with asyncio.timeout(DISPOSE_TIMEOUT_S):
            await engine.dispose()
