"""Time that passes faster: what waits for a later moment does not wait long."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection

EVERY_S = 0.05


@asynccontextmanager
async def hurrying(engine: AsyncEngine) -> AsyncIterator[None]:
    """Cut short every pause between attempts, every rest of a gate, the wait for a confirmation.

    How long PagerTree's search is given is not touched: that is counted from what was sent. What
    was searched for often waits as long as it does.
    """
    task = asyncio.create_task(_hurry(engine))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _hurry(engine: AsyncEngine) -> None:
    async with raw_connection(engine) as connection:
        while True:
            for statement in _SOON:
                await connection.execute(statement)
            await asyncio.sleep(EVERY_S)


async def let_leases_run_out(connection: Connection, table: str) -> None:
    """Let everybody who holds a row of a queue be taken for dead."""
    await connection.execute(
        f"UPDATE {table} SET leased_until = now() - interval '1 s' WHERE state = 'running'"  # noqa: S608 - tests name it
    )


_SOON = (
    """
    UPDATE operations SET run_at = now() + interval '0.1 s' WHERE id IN (
        SELECT id FROM operations WHERE state = 'queued' AND run_at > now() + interval '0.2 s'
        AND lookups < 6 FOR UPDATE SKIP LOCKED)
    """,
    """
    UPDATE pages SET check_at = now() + interval '0.1 s' WHERE id IN (
        SELECT id FROM pages WHERE status = 'sent' AND check_at > now() + interval '0.2 s'
        FOR UPDATE SKIP LOCKED)
    """,
    """
    UPDATE integration_gates
    SET open_until = least(open_until, now() + interval '0.1 s'),
        probing_until = least(probing_until, now() + interval '2 s')
    WHERE open_until > now() + interval '0.2 s' OR probing_until > now() + interval '2 s'
    """,
)
