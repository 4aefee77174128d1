"""Counting what is turned away, so that "nothing arrives" differs from "all is refused"."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from pagersync.database.complaints import complain
from pagersync.database.engine import raw_connection
from pagersync.events.publish import NO_INTEGRATION
from pagersync.inbox.door import Refusal

WRITE_EVERY_S: Final = 1.0
LAST_WRITE_S: Final = 1.0


class RefusalCounter:
    """Counts in memory and adds to the database once a second: a flood costs one row."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._times: Counter[tuple[UUID, Refusal]] = Counter()
        self._last_at: dict[tuple[UUID, Refusal], datetime] = {}

    def count(self, integration_id: UUID, reason: Refusal) -> None:
        """Count one refusal. Those at unknown addresses are counted together."""
        if reason is Refusal.UNKNOWN_INTEGRATION:
            integration_id = NO_INTEGRATION
        self._times[integration_id, reason] += 1
        self._last_at[integration_id, reason] = datetime.now(UTC)

    async def run(self) -> None:
        """Write the counts until cancelled, and once more then."""
        try:
            while True:
                await asyncio.sleep(WRITE_EVERY_S)
                await self.write()
        finally:
            async with asyncio.timeout(LAST_WRITE_S):
                await self.write()

    async def write(self) -> None:
        """Add the counts to the database; they are kept for the next time when it is away."""
        if not self._times:
            return
        times, last_at = self._times, self._last_at
        self._times, self._last_at = Counter(), {}
        try:
            async with raw_connection(self._engine) as connection:
                await connection.execute(
                    _ADD,
                    [integration_id for integration_id, _ in times],
                    [reason.value for _, reason in times],
                    list(times.values()),
                    [last_at[key] for key in times],
                )
        except Exception as error:  # noqa: BLE001 - counts must never stop a request
            complain("refusals could not be counted yet", error)
            self._times.update(times)
            self._last_at = last_at | self._last_at


_ADD = """
INSERT INTO webhook_refusals (integration_id, reason, times, last_at)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::timestamptz[])
ON CONFLICT (integration_id, reason) DO UPDATE
SET times = webhook_refusals.times + excluded.times,
    last_at = greatest(webhook_refusals.last_at, excluded.last_at)
"""
