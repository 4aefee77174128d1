"""What an error of the database says: it is ill, it is busy, or the statement is wrong."""

from types import MappingProxyType
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

MAYBE_UNREACHABLE: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresError,
    DBAPIError,
    PoolTimeoutError,
)
"""What `is_unreachable` and `trouble_of` can say yes to."""

AWAY: Final = "the database did not answer"

ILL: Final = MappingProxyType[type[Exception], str](
    {
        asyncpg.DiskFullError: "the database's disk is full: nothing can be stored until there is "
        "room on it",
        asyncpg.ReadOnlySQLTransactionError: "the database takes no changes, it is read-only",
        asyncpg.InvalidAuthorizationSpecificationError: "the database refuses the user or the "
        "password of pagersync",
        asyncpg.TooManyConnectionsError: "the database has no connection left",
        asyncpg.UndefinedTableError: "the database's tables are not those of this version: run "
        "`pagersync migrate`",
        asyncpg.UndefinedColumnError: "the database's tables are not those of this version: run "
        "`pagersync migrate`",
        asyncpg.PostgresSystemError: "the database cannot read or write its files",
        asyncpg.PostgresConnectionError: AWAY,
        asyncpg.AdminShutdownError: "the database is shutting down",
        asyncpg.CrashShutdownError: "the database is restarting after a crash",
        asyncpg.CannotConnectNowError: "the database is starting",
        PoolTimeoutError: "no connection to the database became free",
        asyncpg.InterfaceError: AWAY,
        OSError: AWAY,
    }
)
"""Nothing can be done until somebody mends it, whatever is asked: it is no row's fault."""

BUSY: Final = MappingProxyType[type[Exception], str](
    {
        asyncpg.QueryCanceledError: "the database took too long for this: ask for less, or again "
        "when it has less to do",
        asyncpg.LockNotAvailableError: "somebody else is changing the same thing: try again",
        asyncpg.DeadlockDetectedError: "somebody else changed the same things: try again",
        asyncpg.SerializationError: "somebody else changed the same things: try again",
        asyncpg.IdleInTransactionSessionTimeoutError: "this took too long: try again",
        asyncpg.InsufficientResourcesError: "the database is short of memory: try again",
    }
)
"""This one statement could not be done now; another may be."""

_WRONG: Final = (ValueError,)
"""Some of asyncpg's errors are also these: a statement was wrong, and the database is there."""

STALE: Final = (
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""Connections that end so are thrown away: after a failover they lead to the old server."""


def cause_of(error: BaseException) -> BaseException:
    """Return the driver's own error, which SQLAlchemy raises another one around."""
    if isinstance(error, DBAPIError) and error.orig is not None:
        return error.orig.__cause__ or error.orig
    return error


def is_unreachable(error: BaseException) -> bool:
    """Tell "the database is away, or ill" from "the database refused this statement"."""
    return _words(error, ILL) is not None


def is_ill(error: BaseException) -> bool:
    """Tell that nothing could be done for anybody; a statement that hangs may be to blame."""
    return is_unreachable(error) and not isinstance(cause_of(error), TimeoutError)


def trouble_of(error: BaseException) -> str | None:
    """Return why nobody can be served now, for people; None: the statement itself was wrong."""
    return _words(error, ILL) or _words(error, BUSY)


def _words(error: BaseException, known: MappingProxyType[type[Exception], str]) -> str | None:
    cause = cause_of(error)
    if isinstance(cause, DBAPIError):
        return AWAY if known is ILL else None
    if isinstance(cause, _WRONG):
        return None
    return next((words for kind, words in known.items() if isinstance(cause, kind)), None)
