"""A batch of rows that an ill database does not take: they come back, and lose no attempt."""

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.batch import work_batch
from pagersync.database.engine import raw_connection
from pagersync.inbox.endpoint import examine
from pagersync.inbox.writer import insert_deliveries
from pagersync.settings import Settings
from pagersync.worker import deliveries_queue


async def test_rows_that_a_full_disk_does_not_take_come_back_without_an_attempt_used_up(
    engine: AsyncEngine, settings: Settings
) -> None:
    async def find_no_room(*_: object) -> None:
        raise asyncpg.DiskFullError("no space left on device")

    queue = deliveries_queue(settings)
    bodies = [b'{"type": "alert.created", "data": {"id": "%d"}}' % number for number in range(3)]
    async with raw_connection(engine) as connection:
        await insert_deliveries(connection, [examine(new_id(), body) for body in bodies])
        batch = await queue.claim(connection, rows_max=10)
        assert len(batch.rows) == 3
        with pytest.raises(asyncpg.DiskFullError):
            await work_batch(connection, queue, batch, find_no_room)
        rows = await connection.fetch("SELECT state, attempt, last_error FROM deliveries")
    assert {(row["state"], row["attempt"]) for row in rows} == {("queued", 0)}
    assert all("disk is full" in row["last_error"] for row in rows)
