"""Rows of a queue, worked several at a time, each by a task of its own.

For rows whose work waits for others: an HTTP call, a long statement. Rows that are worked in
batches, in one transaction, need no pool.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic
from typing import Final, TypeAlias
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.complaints import complain
from pagersync.database.engine import Connection, raw_connection
from pagersync.database.lanes import Lanes
from pagersync.database.queue import Batch, Queue, Unsure

EXPIRE_EVERY_S: Final = 5.0
AFTER_FAILURE_S: Final = 1.0

log = structlog.get_logger()

Take: TypeAlias = Callable[[UUID, asyncpg.Record], Awaitable[None]]
"""Works one row, given the lease token and what was claimed. It raises nothing."""


def by_id(take: Callable[[UUID, UUID], Awaitable[None]]) -> Take:
    """Return what works a row of which it is given the id."""

    def take_row(token: UUID, row: asyncpg.Record) -> Awaitable[None]:
        return take(token, row["id"])

    return take_row


AfterExpiry: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Called after rows of silent workers were given back."""


def _leave(lanes: Lanes, lane: str, _task: asyncio.Task[None]) -> None:
    lanes.leave(lane)


class Pool:
    """Claims rows of a queue while there is room, and works them side by side.

    Args:
        engine: of the database.
        queue: whose rows are worked.
        take: works one.
        concurrency: how many at a time.
        poll_s: how long a lost wake-up call can delay a row.
        after_expiry: what else is to be tidied up now and then.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        queue: Queue,
        take: Take,
        *,
        concurrency: int,
        poll_s: float,
        after_expiry: AfterExpiry | None = None,
    ) -> None:
        self._engine = engine
        self._queue = queue
        self._take = take
        self._concurrency = concurrency
        self._poll_s = poll_s
        self._after_expiry = after_expiry
        self._tasks: set[asyncio.Task[None]] = set()
        self._expired_at = -EXPIRE_EVERY_S
        self._unsure = Unsure(queue)

    async def run(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what was claimed by then is finished first."""
        try:
            while not stop.is_set():
                wake.clear()
                try:
                    free = self._concurrency - len(self._tasks)
                    claimed = await self._claim(free)
                except Exception as error:  # noqa: BLE001 - a worker outlives every failure
                    complain("work was interrupted", error, queue=self._queue.table)
                    await self._wait(wake, stop, AFTER_FAILURE_S)
                    continue
                self._start(claimed)
                if len(claimed.rows) < free or len(self._tasks) >= self._concurrency:
                    await self._wait(wake, stop, self._poll_s)
        finally:
            await self._finish()

    async def _claim(self, rows_max: int) -> Batch:
        async with raw_connection(self._engine) as connection:
            if monotonic() - self._expired_at > EXPIRE_EVERY_S:
                self._expired_at = monotonic()
                if rows := await self._queue.expire(connection):
                    table = self._queue.table
                    log.warning("took back what silent workers held", queue=table, rows=rows)
                if self._after_expiry is not None:
                    await self._after_expiry(connection)
            await self._unsure.give_back(connection)
            token = self._unsure.next_token()
            batch = await self._queue.claim(connection, rows_max=rows_max, token=token)
        self._unsure.forget()
        return batch

    def _start(self, batch: Batch) -> None:
        for row in batch.rows:
            task = asyncio.ensure_future(self._take(batch.token, row))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            if self._queue.lanes is not None:
                self._queue.lanes.hold(row["lane"])
                task.add_done_callback(partial(_leave, self._queue.lanes, row["lane"]))

    async def _wait(self, wake: asyncio.Event, stop: asyncio.Event, timeout_s: float) -> None:
        """Wait for a call, for the end, or for a row to be done."""
        waits = [asyncio.ensure_future(event.wait()) for event in (wake, stop)]
        try:
            await asyncio.wait(
                [*waits, *self._tasks], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _finish(self) -> None:
        """Wait for what is under way; when cancelled, cancel it too."""
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            raise
