"""The one connection pool, and how hot paths borrow a raw connection from it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)

from pagersync.database.caller import CallerSession
from pagersync.database.liveness import watch_connections
from pagersync.settings import Settings

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Connection = asyncpg.Connection

Sessions: TypeAlias = async_sessionmaker[AsyncSession]

CONNECT_TIMEOUT_S = 3
COMMAND_TIMEOUT_S = 15
DISPOSE_TIMEOUT_S = 1

MAYBE_UNREACHABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresError,
    DBAPIError,
    PoolTimeoutError,
)
"""What `is_unreachable` can say yes to."""

_UNREACHABLE = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    PoolTimeoutError,
)


def is_unreachable(error: BaseException) -> bool:
    """Tell "the database is away" from "the database refused this statement"."""
    if isinstance(error, DBAPIError):  # raised by SQLAlchemy, around the driver's own
        return error.orig is None or is_unreachable(error.orig.__cause__ or error.orig)
    return isinstance(error, _UNREACHABLE) and not isinstance(error, ValueError)


def create_engine(
    settings: Settings, *, command_timeout_s: float | None = COMMAND_TIMEOUT_S
) -> AsyncEngine:
    """Return the engine for `settings.database_url`; nothing is connected yet.

    Args:
        settings: with the database's address in it.
        command_timeout_s: longest wait for one statement; None where a migration may take long.

    Raises:
        ValueError: no database URL was set or found.
    """
    if settings.database_url is None:
        raise ValueError("no database: set PAGERSYNC_DATABASE_URL")
    engine = create_async_engine(
        settings.database_url.get_secret_value(),
        pool_size=settings.database_connections_max,
        max_overflow=0,
        pool_timeout=CONNECT_TIMEOUT_S,
        pool_use_lifo=True,  # the newest knows the statements already
        hide_parameters=True,  # they hold secrets, and errors are logged and kept
        connect_args={
            "timeout": CONNECT_TIMEOUT_S,
            "command_timeout": command_timeout_s,
            "server_settings": {"application_name": "pagersync", "jit": "off"},
        },
    )
    watch_connections(engine)
    return engine


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
