"""Telling the rate limiter how calls ended that it did not let through: syncs, on-call requests.

Such a call needs no token, but what PagerTree answers to it is news all the same: an accepted one
lets waiting pages go out at once, a refused key makes them wait without trying it.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pagersync.database.engine import Sessions
from pagersync.database.session import driver_connection
from pagersync.errors import PagerTreeError
from pagersync.integrations import gate
from pagersync.integrations.models import Integration


@asynccontextmanager
async def telling_rate_limiter(sessions: Sessions, account: Integration) -> AsyncIterator[None]:
    """Record how the calls inside ended; errors pass through."""
    try:
        yield
    except PagerTreeError as error:
        await _record(sessions, account, error)
        raise
    await _record(sessions, account, None)


async def _record(sessions: Sessions, account: Integration, error: PagerTreeError | None) -> None:
    async with sessions.begin() as session:
        connection = await driver_connection(session)
        if error is None or gate.is_working(error):
            await gate.record_success(connection, account.id)
        else:
            key = account.api_key_encrypted
            await gate.record_failure(connection, account.id, error, api_key_encrypted=key)
