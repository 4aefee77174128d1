"""Group commit: one transaction stores every webhook request that waits.

One flush is in flight; whatever arrives meanwhile is the next batch. There is no timed window:
under load batches grow by themselves, and an idle service commits at once.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.base import new_id
from pagersync.database.engine import Connection, raw_connection
from pagersync.database.trouble import AWAY, is_unreachable, trouble_of
from pagersync.database.writes import WRITES
from pagersync.errors import BusyError
from pagersync.log import warn_rarely
from pagersync.settings import Settings

RETRY_AFTER_S: Final = 5

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Arrival:
    """A webhook request that was let in.

    Attributes:
        state: what becomes of it: `queued`, `ignored` or `invalid`.
        error: why it is `invalid`.
    """

    integration_id: UUID
    body: bytes
    body_sha256: bytes
    event_type: str | None
    pagertree_alert_id: str | None
    state: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Stored:
    """A committed delivery; `created` is False when the same bytes were there before."""

    delivery_id: UUID
    created: bool


@dataclass(eq=False, slots=True)
class _Waiting:
    arrival: Arrival
    stored: asyncio.Future[Stored] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class InboxWriter:
    """Stores arrivals; each caller learns the fate of its own, after the commit."""

    def __init__(self, engine: AsyncEngine, settings: Settings) -> None:
        self._engine = engine
        self._settings = settings
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._batch: list[_Waiting] = []
        self._arrived = asyncio.Event()

    async def store(self, arrival: Arrival) -> Stored:
        """Return once `arrival` is committed.

        Raises:
            BusyError: too much waits already, or the database is away. The row may still have
                been committed; PagerTree sends it again, and it is a duplicate then.
        """
        limits = self._settings
        if (
            len(self._waiting) >= limits.ingest_queue_rows_max
            or self._waiting_bytes >= limits.ingest_queue_bytes_max
        ):
            raise BusyError("too many webhook requests wait", retry_after_s=RETRY_AFTER_S)
        waiting = _Waiting(arrival)
        self._waiting.append(waiting)
        self._waiting_bytes += len(arrival.body)
        self._arrived.set()
        return await waiting.stored

    async def run(self) -> None:
        """Store what waits, until cancelled. A connection is kept for as long as it works.

        A batch whose connection broke is tried once more on a fresh one: PostgreSQL may just have
        been restarted. If that fails too, everybody who waits is turned away.
        """
        may_retry = False
        while True:
            await self._arrived.wait()
            try:
                async with raw_connection(self._engine) as connection:
                    while True:
                        await self._store_next(connection)
                        may_retry = True
            except Exception as error:  # noqa: BLE001 - every caller gets an answer, whatever went wrong
                if not may_retry or isinstance(error, TimeoutError):
                    self._turn_away(self._take_all(), error)
                may_retry = False

    async def _store_next(self, connection: Connection) -> None:
        await self._arrived.wait()
        self._batch = self._batch or self._take()
        async with asyncio.timeout(self._settings.ingest_timeout_s):
            await self._store_together(connection, self._batch)
        self._batch = []
        if not self._waiting:
            self._arrived.clear()

    async def _store_together(self, connection: Connection, batch: Sequence[_Waiting]) -> None:
        try:
            stored = await insert_deliveries(connection, [waiting.arrival for waiting in batch])
        except Exception as error:
            if is_unreachable(error):
                raise
            if len(batch) == 1:
                self._turn_away(batch, error)
                return
            for waiting in batch:
                await self._store_together(connection, [waiting])
            return
        WRITES.succeeded()
        for waiting, result in zip(batch, stored, strict=True):
            if not waiting.stored.done():
                waiting.stored.set_result(result)

    def _take(self) -> list[_Waiting]:
        rows_max = min(len(self._waiting), self._settings.ingest_batch_rows_max)
        batch = [self._waiting.popleft() for _ in range(rows_max)]
        self._waiting_bytes -= sum(len(waiting.arrival.body) for waiting in batch)
        return batch

    def _take_all(self) -> list[_Waiting]:
        everybody = [*self._batch, *self._waiting]
        self._batch = []
        self._waiting.clear()
        self._waiting_bytes = 0
        self._arrived.clear()
        return everybody

    def _turn_away(self, batch: Sequence[_Waiting], error: Exception) -> None:
        WRITES.failed(error)
        trouble = trouble_of(error) or "the database refused them"
        warn_rarely("webhook requests could not be stored", reason=trouble, error=repr(error))
        for waiting in batch:
            if not waiting.stored.done():
                waiting.stored.set_exception(
                    BusyError(trouble_of(error) or AWAY, retry_after_s=RETRY_AFTER_S)
                )


async def insert_deliveries(connection: Connection, arrivals: Sequence[Arrival]) -> list[Stored]:
    """Commit arrivals, equal bodies as one row; return their fates in their order.

    New rows are one statement; those that were there before are counted by a second one. If the
    connection breaks in between, the arrivals are stored, and counted when they are tried again.
    """
    times: dict[tuple[UUID, bytes], int] = {}
    first: dict[tuple[UUID, bytes], Arrival] = {}
    for arrival in arrivals:
        key = (arrival.integration_id, arrival.body_sha256)
        times[key] = times.get(key, 0) + 1
        first.setdefault(key, arrival)
    rows = [first[key] for key in sorted(first)]  # one order for all writers of new rows
    answer = await connection.fetch(
        _INSERT,
        [new_id() for _ in rows],
        [row.integration_id for row in rows],
        [row.body_sha256 for row in rows],
        [row.body for row in rows],
        [row.event_type for row in rows],
        [row.pagertree_alert_id for row in rows],
        [row.state for row in rows],
        [row.error for row in rows],
        [times[row.integration_id, row.body_sha256] for row in rows],
    )
    new = {(row["integration_id"], row["body_sha256"]) for row in answer}
    if known := [row for row in rows if (row.integration_id, row.body_sha256) not in new]:
        answer += await connection.fetch(
            _AGAIN,
            [row.integration_id for row in known],
            [row.body_sha256 for row in known],
            [times[row.integration_id, row.body_sha256] for row in known],
        )
    return _in_order(arrivals, {(r["integration_id"], r["body_sha256"]): r for r in answer})


def _in_order(
    arrivals: Sequence[Arrival], answer: dict[tuple[UUID, bytes], asyncpg.Record]
) -> list[Stored]:
    """Give each arrival its result: among equal ones the first may be new, the others are not."""
    stored = []
    seen: set[UUID] = set()
    for arrival in arrivals:
        row = answer[arrival.integration_id, arrival.body_sha256]
        stored.append(Stored(row["id"], created=row["created"] and row["id"] not in seen))
        seen.add(row["id"])
    return stored


_INSERT = """
INSERT INTO deliveries (id, integration_id, body_sha256, body, event_type, pagertree_alert_id,
    state, last_error, times_received, finished_at)
SELECT id, integration_id, body_sha256, body, event_type, pagertree_alert_id, state, error, times,
    CASE WHEN state <> 'queued' THEN now() END
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::bigint[])
  AS a (id, integration_id, body_sha256, body, event_type, pagertree_alert_id, state, error, times)
ON CONFLICT (integration_id, body_sha256) DO NOTHING
RETURNING id, integration_id, body_sha256, true AS created
"""

_AGAIN = """
WITH again AS MATERIALIZED (
    SELECT d.id, d.integration_id, a.times
    FROM deliveries d
    JOIN unnest($1::uuid[], $2::bytea[], $3::bigint[]) AS a (integration_id, body_sha256, times)
      USING (integration_id, body_sha256)
    ORDER BY d.id FOR UPDATE OF d
)
UPDATE deliveries d
SET times_received = d.times_received + again.times, last_received_at = now()
FROM again WHERE d.id = again.id AND d.integration_id = again.integration_id
RETURNING d.id, d.integration_id, d.body_sha256, false AS created
"""
"""A statement of its own, because workers lock deliveries too, and in the order of their ids."""
