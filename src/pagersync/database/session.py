"""The one session dependency of routes: it commits before the answer goes out."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from pagersync.database.engine import Connection


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Yield a session whose transaction is committed when the route returns.

    It must be used with `scope="function"`: the code after `yield` of an ordinary dependency runs
    after the response has been sent, and a commit that fails there has already been promised.
    """
    async with request.state.sessions.begin() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session, scope="function")]


async def driver_connection(session: AsyncSession) -> Connection:
    """Return the session's own connection, inside its transaction, for fixed SQL.

    What the session holds is written first, so that the statements see it. Rows that they change
    must be read anew.
    """
    await session.flush()
    connection = await session.connection()
    raw: Connection | None = (await connection.get_raw_connection()).driver_connection
    assert raw is not None  # noqa: S101 - always set while it is borrowed
    if not raw.is_in_transaction():  # the driver begins one at a statement
        await connection.execute(text("SELECT"))
    return raw
