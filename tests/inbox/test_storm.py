"""Old bodies come again at the moment at which a worker finishes them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.engine import Connection, raw_connection
from pagersync.database.queue import Outcome, Queue
from pagersync.inbox.writer import Arrival, insert_deliveries

OWNER = UUID(int=1)
QUEUE = Queue("deliveries", columns=(), attempts_max=3, lease_s=60)
REACHED_S = 0.3
"""By then a statement waits for the lock that the test holds."""


def arrival(body: bytes) -> Arrival:
    return Arrival(OWNER, body, hashlib.sha256(body).digest(), "alert.open", "a", "queued", None)


@asynccontextmanager
async def locked(connection: Connection, delivery_id: UUID) -> AsyncIterator[None]:
    async with connection.transaction():
        await connection.execute("SELECT FROM deliveries WHERE id = $1 FOR UPDATE", delivery_id)
        yield


async def test_a_redelivery_and_a_worker_take_the_same_rows_in_the_same_order(
    engine: AsyncEngine,
) -> None:
    """Hold the row in the middle, so that both come as far as they can, and let go."""
    bodies = sorted((b"a", b"b", b"c"), key=lambda body: hashlib.sha256(body).digest())
    async with (
        raw_connection(engine) as inbox,
        raw_connection(engine) as worker,
        raw_connection(engine) as test,
    ):
        for body in reversed(bodies):  # ids ascend while digests descend
            await insert_deliveries(inbox, [arrival(body)])
        batch = await QUEUE.claim(worker, rows_max=3)
        ids = [row["id"] for row in batch.rows]
        async with locked(test, ids[1]):
            ends = [Outcome.done(row_id) for row_id in ids]
            finishing = asyncio.create_task(QUEUE.finish(worker, batch.token, ends))
            await asyncio.sleep(REACHED_S)
            again = asyncio.create_task(insert_deliveries(inbox, [arrival(b) for b in bodies]))
            await asyncio.sleep(REACHED_S)
        assert await finishing == set(ids)
        assert [stored.created for stored in await again] == [False] * 3
