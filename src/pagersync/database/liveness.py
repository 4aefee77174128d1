"""Whether a connection of the pool still works, asked only where there is doubt.

A ping costs three round trips, as much as many a transaction. A connection that PostgreSQL has
closed is known to be closed at once, without asking. Only one that nobody used for a while can have
been lost silently, by a network that forgot it.
"""

from time import monotonic
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.exc import DisconnectionError, InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

TRUSTED_S: Final = 5.0
"""A connection that was used so recently is not asked whether it works."""

_USED_S: Final = "pagersync_used_s"


def watch_connections(engine: AsyncEngine) -> None:
    """Let the pool of `engine` hand out only connections that work, as far as can be known."""
    pool, dialect = engine.sync_engine.pool, engine.dialect

    def note(_connection: Any, entry: ConnectionPoolEntry) -> None:
        entry.info[_USED_S] = monotonic()

    def check(connection: Any, entry: ConnectionPoolEntry, _proxy: Any) -> None:
        if entry.driver_connection is None or entry.driver_connection.is_closed():
            raise DisconnectionError("PostgreSQL has closed the connection")
        if monotonic() - entry.info.get(_USED_S, monotonic()) < TRUSTED_S:
            return
        try:
            dialect.do_ping(connection)
        except Exception as error:
            raise InvalidatePoolError("the connection was lost") from error

    event.listen(pool, "checkin", note)
    event.listen(pool, "checkout", check)
