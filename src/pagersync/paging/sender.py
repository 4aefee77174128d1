"""The sender: claims operations, oldest first, and takes turns at them, several at a time."""

import asyncio
from contextlib import suppress
from time import monotonic
from typing import Final
from uuid import UUID

import structlog

from pagersync.database.engine import raw_connection
from pagersync.database.queue import Batch, Queue
from pagersync.integrations.gate import IS_OPEN, has_tokens
from pagersync.metrics import OPERATION_SECONDS
from pagersync.paging.store import show_lost
from pagersync.paging.turn import Turns
from pagersync.settings import Settings

POLL_S: Final = 1.0
"""How long a gate that opens by itself, or a lost wake-up call, can delay an operation."""

EXPIRE_EVERY_S: Final = 5.0
AFTER_FAILURE_S: Final = 1.0
NEVER_BURIED: Final = 2**31 - 1
"""The sender itself ends what has used up its attempts: the page must learn of it too."""

log = structlog.get_logger()

IS_ENABLED: Final = """
EXISTS (SELECT FROM integrations i WHERE i.id = q.integration_id
        AND (i.enabled OR i.removed_at IS NOT NULL))
"""


IS_EXPIRED: Final = """
(NOT q.may_have_been_sent AND q.kind = 'create_alert' AND EXISTS (
    SELECT FROM pages p WHERE p.id = q.page_id AND p.expires_at <= now()))
"""
"""Needs no call, so it is said whatever the gate does."""


def operations_queue(settings: Settings) -> Queue:
    """Return the queue of calls that PagerTree must see."""
    tokens = has_tokens(settings.pagertree_calls_per_s)
    return Queue(
        "operations",
        columns=(),
        attempts_max=NEVER_BURIED,
        lease_s=settings.operation_lease_s,
        where=f"({IS_EXPIRED} OR {IS_OPEN} AND {IS_ENABLED} AND {tokens})",
        order_by="q.id",
    )


class Sender:
    """Works the operations of all integrations until it is told to stop."""

    def __init__(self, turns: Turns, settings: Settings) -> None:
        self._turns = turns
        self._queue = turns.queue
        self._concurrency = settings.operation_concurrency
        self._tasks: set[asyncio.Task[None]] = set()
        self._expired_at = -EXPIRE_EVERY_S

    async def run(self, wake: asyncio.Event, stop: asyncio.Event) -> None:
        """Work until `stop` is set; what was claimed by then is finished first."""
        try:
            while not stop.is_set():
                wake.clear()
                try:
                    free = self._concurrency - len(self._tasks)
                    claimed = await self._claim(free)
                except Exception as error:  # noqa: BLE001 - a worker outlives every failure
                    log.warning("work was interrupted", queue="operations", error=repr(error))
                    await self._wait(wake, stop, AFTER_FAILURE_S)
                    continue
                self._start(claimed)
                if len(claimed.rows) < free or len(self._tasks) >= self._concurrency:
                    await self._wait(wake, stop, POLL_S)
        finally:
            await self._finish()

    async def _claim(self, rows_max: int) -> Batch:
        async with raw_connection(self._turns.engine) as connection:
            if monotonic() - self._expired_at > EXPIRE_EVERY_S:
                self._expired_at = monotonic()
                if rows := await self._queue.expire(connection):
                    log.warning("took back what silent workers held", queue="operations", rows=rows)
                await show_lost(connection)
            return await self._queue.claim(connection, rows_max=rows_max)

    def _start(self, batch: Batch) -> None:
        for row in batch.rows:
            task = asyncio.create_task(self._take_turn(batch.token, row["id"]))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _take_turn(self, token: UUID, operation_id: UUID) -> None:
        try:
            with OPERATION_SECONDS.time():
                await self._turns.take(token, operation_id)
        except Exception:
            log.exception("an operation was interrupted", operation_id=str(operation_id))
            with suppress(Exception):
                await self._turns.give_back(token, operation_id)

    async def _wait(self, wake: asyncio.Event, stop: asyncio.Event, timeout_s: float) -> None:
        """Wait for a call, for the end, or for a turn to be over."""
        waits = [asyncio.ensure_future(event.wait()) for event in (wake, stop)]
        try:
            await asyncio.wait(
                [*waits, *self._tasks], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            for wait in waits:
                wait.cancel()

    async def _finish(self) -> None:
        """Wait for the turns that are under way; when cancelled, cancel them too."""
        try:
            if self._tasks:
                await asyncio.wait(self._tasks)
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            raise
